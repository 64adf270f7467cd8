"""Worker processes behind `await`: work that keeps a core busy, next to an asyncio loop.

Processes are spawned, never forked (threads and numerical libraries do not survive a fork). Each
runs one initializer once, and each limits its numerical libraries to one thread: the pool is the
parallelism.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")

_failure: BaseException | None = None
"""In a worker: why its initialiser failed. It is told at the first call, not lost in a log."""


class WorkerPool:
    """A fixed number of spawned processes that share nothing but what `initialise` sets up.

    Processes start as work arrives and end with their parent, even where that was killed.

    Args:
        workers: processes at most; 0 means one for each core this process may use.
        initialise: called once in each process with `args`, which must pickle. What it raises is
            raised by every `run` that the process is given.

    Raises:
        ValueError: `workers` is negative.
    """

    def __init__(self, workers: int, initialise: Callable[..., None], *args: object) -> None:
        if workers < 0:
            raise ValueError(f"workers = {workers}: give a number of processes, or 0 for all cores")
        self.workers = workers or usable_cores()
        self._executor = ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(initialise, *args),
        )

    async def run(self, function: Callable[[A], T], argument: A) -> T:
        """Return `function(argument)`, computed in a worker.

        Both must pickle, so `function` is a module's own. What it raises is raised here.

        Raises:
            RuntimeError: a worker process died; the pool is of no more use.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()
        try:
            work = self._executor.submit(_call, function, argument)
            # Not asyncio.wrap_future: it cancels work whose caller gave up, and a pool that breaks
            # then (Python before 3.12) ends in InvalidStateError and never answers the others.
            work.add_done_callback(lambda done: _deliver(done, answer, loop))
            return await answer
        except BrokenProcessPool:
            raise RuntimeError(
                f"one of {self.workers} worker processes died while {function.__name__} was "
                "running: usually the machine ran out of memory (set fewer workers), or a script "
                "starts work at import time (put it under `if __name__ == '__main__':`)"
            ) from None

    def close(self) -> None:
        """Drop the work that has not begun, wait for the rest and end the processes."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def usable_cores() -> int:
    """Return how many cores this process may run on (a container or batch job may get few)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not tell
        return os.cpu_count() or 1


def _deliver(done: Future[T], answer: asyncio.Future[T], loop: asyncio.AbstractEventLoop) -> None:
    """Hand a result from the executor's thread to the loop that waits for it, if it still does."""

    def settle() -> None:
        if answer.done():
            return
        if done.cancelled():
            answer.cancel()
        elif error := done.exception():
            answer.set_exception(error)
        else:
            answer.set_result(done.result())

    with contextlib.suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(settle)


def _start_worker(initialise: Callable[..., None], *args: object) -> None:
    global _failure
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    try:
        initialise(*args)
        _use_one_thread()
    except Exception as error:
        _failure = error


def _call(function: Callable[[A], T], argument: A) -> T:
    if _failure is not None:
        raise _failure
    return function(argument)


def _use_one_thread() -> None:
    from threadpoolctl import threadpool_limits  # scikit-learn brings it

    threadpool_limits(1)


def _exit_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
