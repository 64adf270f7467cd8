"""Progress of long work: a bar with rate and time left on a terminal, a plain log elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Generator

LOG_EVERY_S = 10.0


class Progress:
    """Counts finished units of work; `on_advance` is called after each change.

    `resumed` units were done by an earlier run: they count as done, but not towards the rate.
    """

    def __init__(
        self,
        title: str,
        total: int | None,
        unit: str,
        on_advance: Callable[[Progress], None],
        resumed: int = 0,
    ) -> None:
        self.title = title
        self.total = total
        self.unit = unit
        self.done = resumed
        self.note = ""
        self._resumed = resumed
        self._started_s = time.monotonic()
        self._on_advance = on_advance

    def advance(self, count: int = 1, note: str = "") -> None:
        """Say that `count` more units are done; `note` is shown beside them."""
        self.done += count
        self.note = note or self.note
        self._on_advance(self)

    def resume(self, count: int) -> None:
        """Say that `count` more units were done by an earlier run."""
        self.done += count
        self._resumed += count

    def line(self) -> str:
        """Return the state as one line of plain text."""
        elapsed_s = max(time.monotonic() - self._started_s, 1e-9)
        rate = (self.done - self._resumed) / elapsed_s
        total = f"/{self.total}" if self.total is not None else ""
        left = ""
        if self.total is not None and rate > 0:
            left = f", {format_eta(max(self.total - self.done, 0) / rate)} left"
        note = f", {self.note}" if self.note else ""
        return f"{self.title}: {self.done}{total} {self.unit}, {rate:.1f}/s{left}{note}"


def format_eta(seconds: float) -> str:
    """Return a time to wait in the unit that people would use."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


@contextlib.contextmanager
def track(
    title: str, *, total: int | None, unit: str = "clips", resumed: int = 0
) -> Generator[Progress]:
    """Show the progress of the work inside the block.

    `total` is None where it is unknown; `resumed` of it were done by an earlier run.
    """
    if sys.stderr.isatty():
        progress = Progress(title, total, unit, lambda _: None, resumed)
        with _bar(progress):
            yield progress
        return
    progress = Progress(title, total, unit, _LogPrinter(), resumed)
    yield progress
    print(progress.line(), file=sys.stderr, flush=True)


@contextlib.contextmanager
def _bar(progress: Progress) -> Generator[None]:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def render() -> Text:
        width = 24
        share = progress.done / progress.total if progress.total else 0.0
        filled = round(width * min(share, 1.0))
        bar = Text("━" * filled, style="cyan")
        return bar.append("─" * (width - filled) + "  " + progress.line(), style="default")

    with Live(get_renderable=render, console=Console(stderr=True), refresh_per_second=4):
        yield


class _LogPrinter:
    """Prints a line now and then, for logs and batch jobs."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self._last_s >= LOG_EVERY_S:
            self._last_s = time.monotonic()
            print(progress.line(), file=sys.stderr, flush=True)
