"""A program as users type theirs: mypy reads it, nobody runs it. What fits together for the
interpreter has to fit together here."""

from types import MappingProxyType
from typing import Dict, List, Optional, Sequence, Tuple

import ottla
import ottla.aio
from ottla.confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition


def choose(topic: str, key: Optional[bytes], value: Optional[bytes], count: int) -> Optional[int]:
    return None if key is None else len(topic) % count


def assigned(consumer: ottla.Consumer, partitions: List[ottla.TopicPartition]) -> None:
    ends: Dict[ottla.TopicPartition, int] = consumer.end_offsets(partitions)
    consumer.commit(ends)
    consumer.commit({partition: consumer.position(*partition) for partition in partitions})
    consumer.commit({("orders", 1): ottla.OffsetAndMetadata(3, "note")})
    plain: Dict[Tuple[str, int], int] = {("orders", 1): 3}
    consumer.commit(plain)
    consumer.offsets_for_times(plain)
    consumer.offsets_for_times(ends)


def write(broker: ottla.Broker) -> None:
    settings: Dict[str, int] = {"linger.ms": 5}
    producer = broker.producer(settings, partitioner=choose, acks="all")
    delivery: ottla.Delivery = producer.send("orders", b"v", headers={"a": b"1", "b": None})
    written: ottla.RecordMetadata = delivery.result(1)
    print(written.offset)
    producer.send("orders", bytearray(b"v"), memoryview(b"k"), [("a", "text")])
    producer.send("orders", "v", headers=MappingProxyType({"a": "b"}))
    texts: List[str] = ["a", "b"]
    pairs: List[Tuple[str, bytes]] = [("k", b"v")]
    producer.send_many("orders", texts)
    producer.send_many("orders", pairs)
    broker.stream("orders", "k").append("one burger")
    broker.partition("orders", 0).append(b"one burger", acks=1)
    producer.send_many("orders", ["a", b"b", None, ("k", "v"), ottla.ProducerRecord("v")])
    producer.send_many("orders", [("k", "v", {"a": b"1"}), ("k", None, None, 1), ("k", "v", None, 1, 5)])


def read(broker: ottla.Broker) -> None:
    with broker.consumer("orders", {"group.id": "kitchen"}, on_assigned=assigned) as consumer:
        records: Sequence[ottla.Record] = consumer.poll(1)
        broker.producer().send_many("copies", records)
        for record in consumer:
            value: Optional[memoryview] = record.value
            headers: List[Tuple[str, Optional[bytes]]] = record.headers
            broker.producer().send(record.topic, value, record.key, headers)
        with broker.transaction() as transaction:
            transaction.send("orders", "v")
            transaction.commit_offsets(consumer)


async def both(broker: ottla.aio.Broker) -> None:
    async with broker.producer() as producer, broker.consumer("orders", group="bar") as consumer:
        await producer.send("orders", "v")
        async for record in consumer:
            await consumer.commit({ottla.TopicPartition("orders", 0): record.offset + 1})


def told(error: Optional[KafkaError], message: Message) -> None:
    print(error, message.topic())


def confluent() -> None:
    producer = Producer({"ottla.directory": "data", "linger.ms": 5})
    producer.produce("orders", value="v", key=b"k", on_delivery=told)
    consumer = Consumer({"group.id": "kitchen"})
    message = consumer.poll(1.0)
    if message is not None and message.error() is None:
        consumer.store_offsets(offsets=[TopicPartition("orders", 0, 3)])
