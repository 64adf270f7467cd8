"""What a run tells while it goes on: log.jsonl, a progress line, and TensorBoard where asked."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

from earmark.config import ConfigError
from earmark.pretrain.loop.clock import Clock
from earmark.pretrain.loop.joined import Taken
from earmark.pretrain.loop.log import Log
from earmark.pretrain.loop.state import Reached
from earmark.progress import Progress, track


class Journal:
    """One run's rows and its progress line; the first process alone has one.

    Args:
        log: takes every row.
        progress: counts steps.
        board: TensorBoard's writer, if asked for.
    """

    def __init__(self, log: Log, progress: Progress, board: Any = None) -> None:
        self._log, self._progress, self._board = log, progress, board

    def write(self, row: Mapping[str, Any]) -> None:
        """Keep a row; "step" and "split" must be in it."""
        self._log.write(row)
        if self._board is None:
            return
        for name, value in row.items():
            if isinstance(value, int | float) and name != "step":
                self._board.add_scalar(f"{row['split']}/{name}", value, row["step"])

    def advance(self, note: str) -> None:
        """Say that one more step is done, with `note` beside it."""
        self._progress.advance(note=note)


@contextlib.contextmanager
def open_journal(
    folder: Path, reached: Reached, *, steps: int, tensorboard: bool
) -> Generator[Journal]:
    """Go on with the journal of a run that has come so far, of `steps`.

    Raises:
        ConfigError: TensorBoard is asked for and not installed.
    """
    with contextlib.ExitStack() as stack:
        board = _board(folder, reached.step) if tensorboard else None
        if board is not None:
            stack.callback(board.close)
        log = Log(folder / "log.jsonl", step=reached.step, owes_validation=reached.owes_validation)
        progress = stack.enter_context(
            track("pretrain", total=steps, unit="steps", resumed=reached.step)
        )
        yield Journal(log, progress, board)


def train_row(clock: Clock, taken: Taken) -> dict[str, float]:
    """Return what log.jsonl says of a step; the clock begins to measure the speed anew."""
    parts = {f"loss/{name}": value for name, value in taken.joined.parts.items()}
    row = {"loss": taken.joined.loss, "lr": taken.rate, "grad_norm": taken.norm} | parts
    return row | {"padding": round(taken.joined.padding, 4)} | clock.row()


def note(clock: Clock, taken: Taken, memory_gib: float) -> str:
    """Return what the progress line says beside the count of steps."""
    return (
        f"loss {taken.joined.loss:.4f}, lr {taken.rate:.2g}, "
        f"{clock.audio_s_per_s:.0f} audio-s/s, padding {taken.joined.padding:.1%}, "
        f"data wait {clock.data_wait:.1%}, {memory_gib:.1f} GiB"
    )


def tell(line: str) -> None:
    """Print a line that people should see, whether they watch a bar or a log."""
    print(f"pretrain: {line}", file=sys.stderr, flush=True)


def _board(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "pretrain.tensorboard = true needs another package: pip install 'earmark[tensorboard]'"
        ) from None
    # What a killed run has written after its last state is about to come again.
    return SummaryWriter(folder / "tensorboard", purge_step=step + 1)
