"""Clients of one directory in one process share one broker. It is opened by the first one and closed
by the last one.

``ottla.directory`` in a client's configuration names the directory; so does ``bootstrap.servers``
if it begins with ``ottla:``. ``ottla.broker`` takes an open ``ottla.Broker``, which stays open.
"""

import os
import threading
import weakref
from contextlib import contextmanager
from typing import Any, Dict, Iterator, List, Optional, Tuple

import ottla
from ottla.confluent_kafka.errors import failure, translated

#: Begins a directory in the place of servers.
SCHEME = "ottla:"


class Open:
    """A broker, and how many clients it has."""

    def __init__(self, broker: ottla.Broker) -> None:
        self.broker = broker
        self.clients = 0


# Reentrant: the garbage collector may end a client within these lines.
_lock = threading.RLock()
#: By process, for a child of fork has none of its parent's, and directory.
_open: Dict[Tuple[int, str], Open] = {}


class Lease:
    """What one client has of a broker, until ``end``, or until nobody has it any more."""

    def __init__(self, config: Dict[str, Any]) -> None:
        """Takes the directory out of the configuration."""
        given = config.pop("ottla.broker", None)
        directory = directory_of(config)
        self._finalizer: Optional["weakref.finalize[Any, Lease]"] = None
        if given is not None:
            self.broker: ottla.Broker = given
            return
        if directory is None:
            raise failure(
                "_INVALID_ARG",
                "no directory: set ottla.directory, or bootstrap.servers to ottla:/a/path",
            )
        where = directory if directory == ":memory:" else os.path.realpath(directory)
        key = os.getpid(), where
        with _lock:
            found = _open.get(key)
            if found is None or found.broker.closed:
                with translated():
                    found = _open[key] = Open(ottla.open(where))
            found.clients += 1
        self.broker = found.broker
        self._finalizer = weakref.finalize(self, give_back, key, found)

    @contextmanager
    def kept_only_on_success(self) -> Iterator[None]:
        """Ends if the block raises."""
        try:
            yield
        except BaseException:
            self.end()
            raise

    def end(self) -> None:
        """The client was closed."""
        if self._finalizer is not None:
            self._finalizer()


def directory_of(config: Dict[str, Any]) -> Optional[str]:
    """What the configuration says about it, which is taken out."""
    directory = config.pop("ottla.directory", None)
    servers = config.pop("bootstrap.servers", config.pop("metadata.broker.list", None))
    if directory is None and isinstance(servers, str) and servers.startswith(SCHEME):
        directory = servers[len(SCHEME) :]
    return None if directory is None else os.fsdecode(directory)


def give_back(key: Tuple[int, str], of: Open) -> None:
    """One client less."""
    if key[0] != os.getpid():
        return
    with _lock:
        of.clients -= 1
        if of.clients > 0:
            return
        if _open.get(key) is of:
            del _open[key]
        try:
            of.broker.close()
        except ottla.OttlaError:
            # Nobody is there to hear it. What was acknowledged is safe.
            pass


def open_directories() -> List[str]:
    """Those that clients of this process have open."""
    with _lock:
        return sorted(where for pid, where in _open if pid == os.getpid())
