"""Transactions: records for many partitions, offsets of groups and conditions, all or nothing."""

from types import TracebackType
from typing import Any, List, Optional, Type

from ottla._ottla import ffi, lib
from ottla.calls import make
from ottla.partitioner import Partitioner, PartitionerCallback
from ottla.settings import Settings
from ottla.staging import Place, Staging


class Transaction(Staging):
    """A transaction. One thread at a time.

    In ``with`` it is committed at the end of the block, and aborted if an exception leaves it.
    Until the commit nothing of it is in the log; then all of it is, with one sync.
    """

    __slots__ = ("_is_over", "_partitioner")

    _what = "the transaction"
    _made_by = "Broker.transaction(...)"
    _prefix = "ottla_transaction"

    def __init__(
        self, broker: Any, settings: Settings, partitioner: Optional[PartitionerCallback] = None
    ) -> None:
        place = ffi.new("ottla_transaction **")
        made = Partitioner(partitioner)
        how = (settings.array, settings.count, made.options())
        begin = lib.ottla_transaction_begin_with_options
        make(lib.ottla_transaction_free, begin, broker, *how, place)
        super().__init__(place[0], made.keep_until(lib.ottla_transaction_free))
        self._partitioner = made
        self._is_over = False

    def commit(self) -> List[Place]:
        """Writes all of it, synced, or nothing: ``Conflict`` if a condition does not hold. Says
        where the records went."""
        self._is_over = True
        return self._commit()

    def abort(self) -> None:
        """Drops everything that was staged."""
        self._is_over = True
        self._call("abort")

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        try:
            if kind is None and not self._is_over and not self._is_not_to_close():
                self.commit()
        finally:
            self.close()
