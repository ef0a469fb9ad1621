"""The names of settings that librdkafka has and Ottla has not."""

from typing import Any, Callable, Dict, Mapping, Optional

from ottla.confluent_kafka.errors import failure

#: What only a network needs: taken, and without effect.
NETWORK = {
    "allow.auto.create.topics",
    "client.dns.lookup",
    "client.rack",
    "connections.max.idle.ms",
    "debug",
    "fetch.error.backoff.ms",
    "fetch.queue.backoff.ms",
    "fetch.wait.max.ms",
    "heartbeat.interval.ms",
    "internal.termination.signal",
    "log_level",
    "max.in.flight",
    "max.in.flight.requests.per.connection",
    "message.send.max.retries",
    "metadata.max.age.ms",
    "queue.buffering.max.messages",
    "queued.max.messages.kbytes",
    "queued.min.messages",
    "receive.message.max.bytes",
    "request.timeout.ms",
    "retries",
    "security.protocol",
}
NETWORK_PREFIXES = (
    "api.version.",
    "broker.",
    "log.",
    "reconnect.backoff.",
    "retry.backoff.",
    "sasl.",
    "socket.",
    "ssl.",
    "topic.metadata.",
)

#: Other names for settings that Kafka's own clients have.
OTHER_NAMES = {
    "auto.commit.enable": "enable.auto.commit",
    "compression.codec": "compression.type",
    "fetch.message.max.bytes": "max.partition.fetch.bytes",
    "message.max.bytes": "max.request.size",
    "message.timeout.ms": "delivery.timeout.ms",
    "queue.buffering.max.ms": "linger.ms",
    "request.required.acks": "acks",
}

#: What Ottla does, as librdkafka calls it.
PARTITIONER = "murmur2_random"

RESETS = {
    "smallest": "earliest",
    "beginning": "earliest",
    "largest": "latest",
    "end": "latest",
    "error": "none",
}

#: Functions that librdkafka calls for what does not happen here.
NEVER_CALLED = ("error_cb", "stats_cb", "throttle_cb", "logger", "oauth_cb")


def merged(config: Optional[Mapping[str, Any]], keywords: Mapping[str, Any]) -> Dict[str, Any]:
    """One configuration of all that a client was given."""
    if config is not None and not isinstance(config, Mapping):
        raise TypeError("expected configuration dict")
    given = {**(config or {}), **keywords}
    of_topics = given.pop("default.topic.config", None) or {}
    if not isinstance(of_topics, Mapping):
        raise TypeError("expected default.topic.config as a dict")
    made = {**of_topics, **given}
    # Nothing is ever called with them: a program that asks for them waits for ever.
    if str(made.pop("statistics.interval.ms", 0)) != "0":
        raise failure(
            "_INVALID_ARG",
            "statistics.interval.ms: there are no statistics to call stats_cb with; leave it out",
        )
    return made


def check_partitioner(config: Dict[str, Any]) -> None:
    """Takes the name of a partitioner, which has to be the one that there is."""
    name = config.pop("partitioner", PARTITIONER)
    if name != PARTITIONER:
        raise failure(
            "_INVALID_ARG",
            f"partitioner is {name!r}, but keys go by murmur2 here, and messages without one"
            f" anywhere, as in Java: {PARTITIONER!r}",
        )


def without_network(config: Dict[str, Any]) -> Dict[str, Any]:
    """The same in Kafka's words, and without what only a network needs."""
    kept = {}
    for name, value in config.items():
        if name in NEVER_CALLED or is_of_network(name):
            continue
        name = OTHER_NAMES.get(name, name)
        if name == "auto.offset.reset":
            value = RESETS.get(value, value)
        kept[name] = value
    if "queue.buffering.max.kbytes" in kept:
        kept["buffer.memory"] = int(kept.pop("queue.buffering.max.kbytes")) * 1024
    return kept


def is_of_network(name: str) -> bool:
    """Whether a setting has no effect without one."""
    return name in NETWORK or name.startswith(NETWORK_PREFIXES)


def flag(config: Dict[str, Any], name: str, default: bool) -> bool:
    """Takes a setting that is true or false."""
    value = config.pop(name, default)
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value.lower(), value)
    if not isinstance(value, bool):
        raise failure("_INVALID_ARG", f"{name} must be true or false, but not {value!r}")
    return value


def function(config: Dict[str, Any], name: str) -> Optional[Callable[..., Any]]:
    """Takes a function."""
    value: Optional[Callable[..., Any]] = config.pop(name, None)
    if value is not None and not callable(value):
        raise TypeError(f"expected {name} property as a callable function")
    return value
