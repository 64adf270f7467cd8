"""One thread that owns a model, next to an asyncio loop that it never blocks."""

from __future__ import annotations

import asyncio
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

R = TypeVar("R")
A = TypeVar("A")


class BatchModel(ABC, Generic[R, A]):
    """What the thread owns. All is called in that thread but `stop`."""

    @abstractmethod
    def answer(self, requests: Sequence[R]) -> list[A]:
        """Answer each request, in order."""

    @abstractmethod
    def stop(self) -> None:
        """Make a running `answer` return early; what it returns is thrown away."""


class ModelThread(Generic[R, A]):
    """Loads with the first request, then answers what waits, up to `batch_size` at once.

    Args:
        load: makes the answerer; what it raises is raised by each `ask` that waited for it.
        batch_size: requests at most that are answered together.
    """

    def __init__(self, load: Callable[[], BatchModel[R, A]], batch_size: int) -> None:
        self._load = load
        self._batch_size = batch_size
        self._requests: queue.SimpleQueue[tuple[R, Future[A]] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._answerer: BatchModel[R, A] | None = None
        self._closing = threading.Event()

    async def ask(self, request: R) -> A:
        """Return the answer to one request."""
        self._check_open()
        if self._thread is None:
            # A daemon, so that a program that forgets to close still ends.
            self._thread = threading.Thread(target=self._serve, name="model", daemon=True)
            self._thread.start()
        future: Future[A] = Future()
        self._requests.put((request, future))
        return await asyncio.wrap_future(future)

    async def aclose(self) -> None:
        """Break off what is running, drop what waits, and let go of the model."""
        self._closing.set()
        if self._answerer is not None:
            self._answerer.stop()
        self._requests.put(None)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    def _serve(self) -> None:
        while batch := self._next_batch():
            # A request whose asker gave up is not answered.
            wanted = [one for one in batch if one[1].set_running_or_notify_cancel()]
            if wanted:
                self._answer(wanted)
        self._answerer = None

    def _next_batch(self) -> list[tuple[R, Future[A]]]:
        """Wait for a request and take those behind it; nothing means that it is time to end."""
        batch: list[tuple[R, Future[A]]] = []
        while len(batch) < self._batch_size:
            try:
                item = self._requests.get(block=not batch)
            except queue.Empty:
                break
            if item is None or self._closing.is_set():
                self._drop(batch if item is None else [*batch, item])
                return []
            batch.append(item)
        return batch

    def _drop(self, batch: list[tuple[R, Future[A]]]) -> None:
        for _, future in batch:
            future.cancel()
        while not self._requests.empty():
            if item := self._requests.get():
                item[1].cancel()

    def _answer(self, batch: Sequence[tuple[R, Future[A]]]) -> None:
        try:
            if self._answerer is None:
                self._answerer = self._load()
            self._check_open()  # nobody could tell a model to stop while it was being loaded
            answers = self._answerer.answer([request for request, _ in batch])
            self._check_open()
        except Exception as error:  # told to those who asked; the thread goes on
            for _, future in batch:
                future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            future.set_result(answer)

    def _check_open(self) -> None:
        if self._closing.is_set():
            raise RuntimeError("this backend was closed; build another")
