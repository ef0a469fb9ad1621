"""Producers: collect records into batches and send them."""

from typing import Any, Dict, List, Optional

from ottla._ottla import ffi, lib
from ottla._records import Batch
from ottla.calls import call, error_of, make, milliseconds, text
from ottla.delivery import Deliveries, Delivery
from ottla.handle import Handle
from ottla.metrics import metrics_of
from ottla.partitioner import Partitioner, PartitionerCallback, take_raised
from ottla.sending import Data, Headers, Sendables, array_of, one
from ottla.settings import Settings

#: How many tags are taken from the completion queue at a time.
TAGS_MAX = 1024


class Producer(Handle):
    """Collects records into batches and sends them. Any number of threads."""

    __slots__ = ("_partitioner",)

    _what = "the producer"
    _made_by = "Broker.producer(...)"

    def __init__(
        self, broker: Any, settings: Settings, partitioner: Optional[PartitionerCallback] = None
    ) -> None:
        place = ffi.new("ottla_producer **")
        made = Partitioner(partitioner)
        options = made.options()
        what = (broker, settings.array, settings.count, options)
        make(lib.ottla_producer_free, lib.ottla_producer_new, *what, place)
        super().__init__(place[0], made.keep_until(lib.ottla_producer_free))
        self._partitioner = made

    def send(
        self,
        topic: str,
        value: Optional[Data] = None,
        key: Optional[Data] = None,
        headers: Optional[Headers] = None,
        partition: Optional[int] = None,
        timestamp: Optional[int] = None,
    ) -> Delivery:
        """Sends a record: copies it into the batch of its partition. The delivery says what becomes
        of it. A value of None is a tombstone. Waits, up to ``max.block.ms``, while ``buffer.memory``
        is full."""
        batch = Batch(one(value, key, headers, partition, timestamp))
        return Delivery(self._send(lib.ottla_producer_send, topic, batch))

    def send_many(self, topic: str, records: Sendables) -> Deliveries:
        """Sends records: values, tuples (key, value), ``ProducerRecord``, or records that were read; a
        value alone is one. One call for many is much faster than many calls.

        If one is refused, those before it stay sent: ``taken`` of the exception says how many, and
        its ``deliveries`` what becomes of them.
        """
        return Deliveries(self._send(lib.ottla_producer_send, topic, Batch(records)))

    def try_send_many(self, topic: str, records: Sendables) -> Deliveries:
        """As ``send_many``, but never waits: ``BufferFull`` at once while the memory is full."""
        return Deliveries(self._send(lib.ottla_producer_try_send, topic, Batch(records)))

    def _send(self, function: Any, topic: str, batch: Batch) -> Any:
        delivery = ffi.new("ottla_delivery **")
        taken = ffi.new("size_t *")
        error = ffi.new("ottla_error **")
        topic_text = text(topic, "the topic")
        pointer, array = self._open(), array_of(batch)
        status = function(pointer, topic_text, array, len(batch), delivery, taken, error)
        batch.release()
        if status == 0:
            return delivery[0]
        raised = error_of(status, error[0])
        raised.taken = int(taken[0])
        if delivery[0] != ffi.NULL:
            raised.deliveries = Deliveries(delivery[0])
        # Of the program's partitioner.
        raise raised from take_raised()

    def flush(self) -> None:
        """Sends what is gathered, and returns when all that was sent before is decided. Raises what
        the first record that failed did."""
        call(lib.ottla_producer_flush, self._open())

    def close(self, timeout: Optional[float] = None) -> None:
        """Flushes, for at most ``timeout`` seconds (None: as long as it takes), and takes no more
        records. What is undecided then fails. Once more does nothing."""
        if self._is_not_to_close():
            return
        timeout_ms = milliseconds(timeout)
        try:
            call(lib.ottla_producer_close, self._open(), timeout_ms)
        finally:
            self._free()

    def metrics(self) -> Dict[str, float]:
        """What it has done so far, by Kafka's names: "record-send-total" ... Times are
        milliseconds."""
        place = ffi.new("ottla_metrics **")
        call(lib.ottla_producer_metrics, self._open(), place)
        return metrics_of(place[0])

    # For event loops: `Delivery._notify` leaves tags, `_completed` takes them.

    def fileno(self) -> int:
        """A descriptor that is readable while tags of deliveries wait to be taken. Only wait on it,
        and take it out of the event loop before the producer is closed."""
        place = ffi.new("int32_t *")
        call(lib.ottla_producer_fd, self._open(), place)
        return int(place[0])

    def _completed(self) -> List[int]:
        """Takes the tags of deliveries that are decided. Never waits."""
        tags = ffi.new("uint64_t[]", TAGS_MAX)
        count = ffi.new("size_t *")
        call(lib.ottla_producer_completed, self._open(), tags, TAGS_MAX, count)
        return [int(tag) for tag in tags[0 : count[0]]]
