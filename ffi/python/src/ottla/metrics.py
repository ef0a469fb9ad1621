"""Counters by name."""

from typing import Any, Dict

from ottla._ottla import ffi, lib
from ottla.calls import call, text_of


def metrics_of(metrics: Any) -> Dict[str, float]:
    """What an ``ottla_metrics *`` lists, which is freed. The names have Kafka's form."""
    name = ffi.new("char **")
    value = ffi.new("double *")
    found = {}
    try:
        for at in range(lib.ottla_metrics_count(metrics)):
            call(lib.ottla_metrics_get, metrics, at, name, value)
            found[text_of(name[0])] = float(value[0])
    finally:
        lib.ottla_metrics_free(metrics)
    return found
