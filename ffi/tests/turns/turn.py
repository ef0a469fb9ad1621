"""One turn, as turn.c takes it: turn.py DIRECTORY BEFORE OWN."""

import sys

import ottla

ORDERS = 10


def read_orders(broker: ottla.Broker, before: str) -> None:
    """Exactly the orders of ``before``, each once."""
    consumer = broker.consumer("orders", group="kitchen", auto_offset_reset="earliest")
    wanted = [f"{before} {number}" for number in range(ORDERS)] if before else []
    found = []
    empty = 0
    while empty < 2:
        records = consumer.poll(timeout=0.2)
        found += [f"{bytes(record.key).decode()} {bytes(record).decode()}" for record in records]
        empty += not records and len(found) >= len(wanted)
    assert sorted(found) == wanted, found
    consumer.commit()
    consumer.close()


def write_orders(broker: ottla.Broker, own: str) -> None:
    producer = broker.producer()
    orders = [
        ottla.ProducerRecord(str(number), key=own, partition=number % 2) for number in range(ORDERS)
    ]
    producer.send_many("orders", orders).result()
    producer.close()


def main(directory: str, before: str, own: str) -> None:
    with ottla.open(directory) as broker:
        broker.ensure_topic("orders", partitions=2)
        read_orders(broker, before)
        write_orders(broker, own)


main(*sys.argv[1:])
