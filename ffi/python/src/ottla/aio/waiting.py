"""How tasks wait: for a descriptor, and for calls that may take as long as the disk does.

The invariant: a descriptor is in an event loop only while a task waits for it. So nothing is left
in a loop that ends, and the next loop finds nothing of the one before.
"""

import asyncio
from typing import Any, Callable, Optional, Set, TypeVar

T = TypeVar("T")


class Reader:
    """A descriptor in a loop, or not."""

    __slots__ = ("_fileno", "_readable", "_loop", "_descriptor")

    def __init__(self, fileno: Callable[[], int], readable: Callable[[], None]) -> None:
        self._fileno = fileno
        self._readable = readable
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._descriptor = -1

    def enter(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Has the loop call ``readable``, if it does not yet. True if another loop did so, which
        ended before its tasks did."""
        before = self._loop
        if before is loop:
            return False
        if before is not None:
            one_loop_at_a_time(before)
        if self._descriptor < 0:
            self._descriptor = self._fileno()
        loop.add_reader(self._descriptor, self._readable)
        self._loop = loop
        return before is not None

    def leave(self) -> None:
        """Takes the descriptor out of the loop."""
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._descriptor)


class Readable:
    """Tasks of one loop that wait until a descriptor is readable."""

    __slots__ = ("_reader", "_waiting")

    def __init__(self, fileno: Callable[[], int]) -> None:
        self._reader = Reader(fileno, self.wake)
        self._waiting: "Set[asyncio.Future[None]]" = set()

    async def wait(self, timeout: float) -> None:
        """Returns when the descriptor is readable, the time is up, or somebody calls ``wake``."""
        loop = asyncio.get_running_loop()
        if self._reader.enter(loop):
            self._waiting.clear()
        future: "asyncio.Future[None]" = loop.create_future()
        self._waiting.add(future)
        timer = loop.call_later(timeout, resolve, future)
        try:
            await future
        finally:
            timer.cancel()
            self._waiting.discard(future)
            if not self._waiting:
                self._reader.leave()

    def wake(self) -> None:
        """Has all of them go on."""
        self._reader.leave()
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            resolve(future)


def resolve(future: "asyncio.Future[None]") -> None:
    """Has the task that awaits it go on, if it still does."""
    if not future.done():
        future.set_result(None)


def one_loop_at_a_time(other: asyncio.AbstractEventLoop) -> None:
    """Raises unless the other loop is over."""
    if not other.is_closed():
        raise RuntimeError("it is used by tasks of another event loop, which is not closed")


class Turns:
    """Has calls of one object come one after the other, those on threads of the executor included."""

    __slots__ = ("_loop", "_lock")

    def __init__(self) -> None:
        self._loop: Optional[asyncio.AbstractEventLoop] = None
        self._lock: Optional[asyncio.Lock] = None

    def lock(self) -> asyncio.Lock:
        """The lock of the running loop."""
        loop = asyncio.get_running_loop()
        if self._lock is None or self._loop is not loop:
            if self._loop is not None and self._lock is not None and self._lock.locked():
                one_loop_at_a_time(self._loop)
            self._loop, self._lock = loop, asyncio.Lock()
        return self._lock

    def is_taken(self) -> bool:
        """Whether a call is under way."""
        return self.lock().locked()

    async def at_once(self, work: Callable[..., T], *arguments: Any) -> T:
        """A call that does not take long, on this thread."""
        async with self.lock():
            return work(*arguments)

    async def aside(self, prepare: Callable[[], Callable[[], T]]) -> T:
        """A call that may wait for the disk, on a thread of the loop's executor. It is made ready on
        this one when its turn comes. If the task is cancelled it goes on, and the next turn comes
        when it is done."""
        lock = self.lock()
        await lock.acquire()
        try:
            future = asyncio.get_running_loop().run_in_executor(None, prepare())
        except BaseException:
            lock.release()
            raise
        future.add_done_callback(lambda _done: lock.release())
        return await asyncio.shield(future)


async def aside(work: Callable[..., T], *arguments: Any) -> T:
    """A call that may wait for the disk, on a thread of the loop's executor. If the task is
    cancelled it goes on."""
    future = asyncio.get_running_loop().run_in_executor(None, work, *arguments)
    return await asyncio.shield(future)
