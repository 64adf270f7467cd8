"""Ctrl-C and SIGTERM, deferred to the end of a step. Free of torch."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from types import FrameType


class Preempted(Exception):  # noqa: N818
    """The run was asked to make way (SIGTERM) and has saved its state: no failure.

    A scheduler that takes the machine away sends this signal; started again, the run goes on.
    """

    def __init__(self, folder: Path, step: int) -> None:
        super().__init__(f"stopped after step {step} as asked; {folder} holds where it goes on.")
        self.folder = folder
        self.step = step


@contextlib.contextmanager
def deferred_signals() -> Generator[Callable[[], int]]:
    """Give a function that tells with which signal the process was asked to stop, 0 for none.

    A second Ctrl-C stops it at once. A second SIGTERM changes nothing: torchrun and schedulers both
    send it, some to every process and some once more. Outside the main thread, where Python lets
    nobody set signal handlers, nothing is deferred.
    """
    asked = 0

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if number == asked == signal.SIGINT:
            raise KeyboardInterrupt
        # A person's wish goes before a scheduler's, whichever came first.
        if asked != signal.SIGINT:
            asked = number

    if threading.current_thread() is not threading.main_thread():
        yield lambda: 0
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
