"""Making, deleting and listing topics."""

from concurrent.futures import Future
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

import ottla
from ottla.confluent_kafka.config import merged
from ottla.confluent_kafka.errors import (
    CODES,
    KafkaError,
    KafkaException,
    error_of,
    translated,
    translating,
)
from ottla.confluent_kafka.lease import Lease
from ottla.errors import OttlaError, UnknownTopicOrPartition
from ottla.topic import TopicDescription


class NewTopic:
    """A topic to be made."""

    def __init__(
        self,
        topic: str,
        num_partitions: int = -1,
        replication_factor: int = -1,
        replica_assignment: Optional[List[List[int]]] = None,
        config: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """Replicas are taken and without effect: there is one of each."""
        self.topic = topic
        self.num_partitions = num_partitions
        self.replication_factor = replication_factor
        self.replica_assignment = replica_assignment
        self.config = dict(config or {})


class NewPartitions:
    """How many partitions a topic is to have, those that it has included."""

    def __init__(
        self,
        topic: str,
        new_total_count: int,
        replica_assignment: Optional[List[List[int]]] = None,
    ) -> None:
        self.topic = topic
        self.new_total_count = new_total_count
        self.replica_assignment = replica_assignment


class BrokerMetadata:
    """This process."""

    id = 0
    host = "localhost"
    port = 0


class PartitionMetadata:
    """A partition."""

    def __init__(self, number: int) -> None:
        self.id = number
        self.leader = BrokerMetadata.id
        self.replicas = [BrokerMetadata.id]
        self.isrs = [BrokerMetadata.id]
        self.error: Optional[KafkaError] = None


class TopicMetadata:
    """A topic."""

    def __init__(self, topic: str, partitions: Iterable[int], error: Optional[KafkaError]) -> None:
        self.topic = topic
        self.partitions = {number: PartitionMetadata(number) for number in partitions}
        self.error = error

    def __str__(self) -> str:
        return self.topic


class ClusterMetadata:
    """The topics by name, and the one broker."""

    def __init__(self, topics: Dict[str, TopicMetadata]) -> None:
        self.cluster_id: Optional[str] = None
        self.controller_id = BrokerMetadata.id
        self.brokers = {BrokerMetadata.id: BrokerMetadata()}
        self.topics = topics
        self.orig_broker_id = BrokerMetadata.id
        self.orig_broker_name = f"{BrokerMetadata.host}/{BrokerMetadata.id}"


@translating
class AdminClient:
    """Each request gives a future by topic. They are done already: nothing is on its way."""

    def __init__(self, conf: Optional[Mapping[str, Any]] = None, **keywords: Any) -> None:
        self._lease = Lease(merged(conf, keywords))

    def create_topics(
        self, new_topics: Iterable[NewTopic], **_options: Any
    ) -> "Dict[str, Future[None]]":
        """Makes topics."""
        broker = self._lease.broker

        def make(new: NewTopic) -> None:
            broker.create_topic(new.topic, max(new.num_partitions, 0), new.config)

        return {new.topic: outcome(make, new) for new in new_topics}

    def delete_topics(self, topics: Iterable[str], **_options: Any) -> "Dict[str, Future[None]]":
        """Deletes topics and all their records."""
        return {topic: outcome(self._lease.broker.delete_topic, topic) for topic in topics}

    def create_partitions(
        self, new_partitions: Iterable[NewPartitions], **_options: Any
    ) -> "Dict[str, Future[None]]":
        """Gives topics more partitions."""
        add = self._lease.broker.add_partitions
        return {new.topic: outcome(add, new.topic, new.new_total_count) for new in new_partitions}

    def list_topics(self, topic: Optional[str] = None, timeout: float = -1) -> ClusterMetadata:
        """The topics, or one of them."""
        with translated():
            return cluster_metadata(self._lease.broker, topic)

    def poll(self, timeout: float = 0) -> int:
        """There is nothing to call back."""
        return 0

    def close(self) -> None:
        """Lets go of the directory."""
        self._lease.end()


def outcome(work: Callable[..., None], *arguments: Any) -> "Future[None]":
    """A future that is done."""
    future: "Future[None]" = Future()
    try:
        work(*arguments)
        future.set_result(None)
    except OttlaError as raised:
        future.set_exception(KafkaException(error_of(raised)))
    return future


def cluster_metadata(broker: ottla.Broker, topic: Optional[str]) -> ClusterMetadata:
    """The topics, or one of them, which has an error if it is not there."""
    if topic is None:
        return ClusterMetadata({one.name: topic_metadata(one) for one in broker.topics()})
    try:
        found = topic_metadata(broker.describe_topic(topic))
    except UnknownTopicOrPartition as unknown:
        error = KafkaError(CODES["UNKNOWN_TOPIC_OR_PART"], str(unknown))
        found = TopicMetadata(topic, (), error)
    return ClusterMetadata({topic: found})


def topic_metadata(topic: TopicDescription) -> TopicMetadata:
    """A topic as it is described here."""
    return TopicMetadata(topic.name, (one.partition for one in topic.partitions), None)
