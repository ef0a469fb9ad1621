"""A producer of transactions, one after the other, under an id: Kafka's verbs."""

from contextlib import contextmanager, suppress
from typing import Any, Iterator, List, Optional

from ottla._ottla import ffi, lib
from ottla.calls import make
from ottla.errors import InvalidTransactionState
from ottla.partitioner import Partitioner, PartitionerCallback
from ottla.settings import Settings
from ottla.staging import Place, Staging


class TransactionalProducer(Staging):
    """Makes one transaction after the other under an id. Whoever makes a newer one with the same id
    fences this one: ``Fenced``. Any number of threads."""

    __slots__ = ("transactional_id", "_partitioner")

    _what = "the transactional producer"
    _made_by = "Broker.transactional_producer(...)"
    _prefix = "ottla_transactional_producer"

    def __init__(
        self, broker: Any, settings: Settings, partitioner: Optional[PartitionerCallback] = None
    ) -> None:
        place = ffi.new("ottla_transactional_producer **")
        made = Partitioner(partitioner)
        how = (settings.array, settings.count, made.options())
        new = lib.ottla_transactional_producer_new
        make(lib.ottla_transactional_producer_free, new, broker, *how, place)
        super().__init__(place[0], made.keep_until(lib.ottla_transactional_producer_free))
        self._partitioner = made
        name: bytes = ffi.string(lib.ottla_transactional_producer_id(place[0]))
        self.transactional_id = name.decode("utf-8")

    def _about(self) -> str:
        return repr(self.transactional_id)

    def begin_transaction(self) -> None:
        """Begins a transaction. ``InvalidTransactionState`` if one is open."""
        self._call("begin_transaction")

    def commit_transaction(self) -> List[Place]:
        """Writes all of it, synced, or nothing. Says where the records went."""
        return self._commit()

    def abort_transaction(self) -> None:
        """Drops everything that was staged."""
        self._call("abort_transaction")

    @contextmanager
    def transaction(self) -> Iterator["TransactionalProducer"]:
        """A transaction that is committed at the end of the block, and aborted if an exception
        leaves it."""
        self.begin_transaction()
        try:
            yield self
        except BaseException:
            # If it is over already, what left the block is to be heard, and nothing else.
            with suppress(InvalidTransactionState):
                self.abort_transaction()
            raise
        self.commit_transaction()
