"""What a run logs: log.jsonl, a progress line, and TensorBoard where the recipe asks for it.

log.jsonl has one row a line, without gaps or repetitions however often a run was killed.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from earmark.config import ConfigError
from earmark.pretrain.loop.state import TrainState
from earmark.pretrain.loop.step import StepResult
from earmark.progress import Progress, track


class Throughput:
    """Seconds of audio heard, and how fast; time between `count` and `start` does not count.

    Args:
        audio_s: seconds of audio that earlier parts of the run have heard.
    """

    def __init__(self, audio_s: float) -> None:
        self.audio_s = audio_s
        self._heard_s = self._spent_s = self._waited_s = 0.0
        self.start()

    def start(self) -> None:
        """Go on measuring time."""
        self._since_s = time.perf_counter()

    def count(self, audio_s: float, waited_s: float) -> None:
        """Add the time since `start`.

        Args:
            audio_s: real seconds of audio heard in it, by all processes.
            waited_s: of the time, how long a process waited for its batches.
        """
        self._spent_s += time.perf_counter() - self._since_s
        self._heard_s += audio_s
        self._waited_s += waited_s
        self.audio_s += audio_s

    @property
    def audio_s_per_s(self) -> float:
        """Seconds of audio a second, since the last row."""
        return self._heard_s / max(self._spent_s, 1e-9)

    @property
    def data_wait(self) -> float:
        """Share of the time since the last row that went into waiting for batches, 0 to 1."""
        return min(1.0, self._waited_s / max(self._spent_s, 1e-9))

    def row(self) -> dict[str, float]:
        """Return what goes into the log, and begin to measure the speed anew."""
        row = {
            "audio_s": round(self.audio_s, 3),
            "audio_s_per_s": round(self.audio_s_per_s, 1),
            "data_wait": round(self.data_wait, 4),
        }
        self._heard_s = self._spent_s = self._waited_s = 0.0
        return row


BLOCK_BYTES = 1 << 16
"""Bytes that are read at a time, from the end: what is cut is short, however long the log is."""


class JsonlLog:
    """An open log, from which what is about to come again has been cut.

    Args:
        path: of the file, which may not be there yet.
        step: rows after it are cut.
        validation_pending: whether the validation of that step is to come as well.
    """

    def __init__(self, path: Path, *, step: int, validation_pending: bool = False) -> None:
        self._path = path
        self._last = step, "train" if validation_pending else "validation"
        path.touch()
        with open(path, "r+b") as stream:
            stream.truncate(self._end(stream))

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a row; "step" and "split" must be in it."""
        with open(self._path, "ab") as stream:
            stream.write(msgspec.json.encode(row) + b"\n")

    def _end(self, stream: BinaryIO) -> int:
        """Return where the last row ends that stays; a kill may have torn the one behind it."""
        start = stream.seek(0, os.SEEK_END)
        tail = b""
        while start:
            size = min(BLOCK_BYTES, start)
            start = stream.seek(start - size)
            tail = stream.read(size) + tail
            whole = tail if start == 0 else tail.partition(b"\n")[2]
            end = start + len(tail)
            for line in reversed(whole.splitlines(keepends=True)):
                if line.endswith(b"\n") and self._stays(line):
                    return end
                end -= len(line)
        return 0

    def _stays(self, line: bytes) -> bool:
        row = msgspec.json.decode(line)
        return (row["step"], row["split"]) <= self._last


class MetricsLog:
    """One run's rows and its progress line; the first process alone has one.

    Args:
        log: takes every row.
        progress: counts steps.
        board: TensorBoard's writer, if asked for.
    """

    def __init__(self, log: JsonlLog, progress: Progress, board: Any = None) -> None:
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
def open_metrics_log(
    folder: Path, reached: TrainState, *, steps: int, tensorboard: bool
) -> Generator[MetricsLog]:
    """Go on with the journal of a run that has come so far, of `steps`.

    Raises:
        ConfigError: TensorBoard is asked for and not installed.
    """
    with contextlib.ExitStack() as stack:
        board = _tensorboard_writer(folder, reached.step) if tensorboard else None
        if board is not None:
            stack.callback(board.close)
        log = JsonlLog(
            folder / "log.jsonl", step=reached.step, validation_pending=reached.validation_pending
        )
        progress = stack.enter_context(
            track("pretrain", total=steps, unit="steps", resumed=reached.step)
        )
        yield MetricsLog(log, progress, board)


def train_row(clock: Throughput, taken: StepResult) -> dict[str, float]:
    """Return what log.jsonl says of a step; the clock begins to measure the speed anew."""
    parts = {f"loss/{name}": value for name, value in taken.joined.parts.items()}
    row = {"loss": taken.joined.loss, "lr": taken.rate, "grad_norm": taken.norm} | parts
    return row | {"padding": round(taken.joined.padding, 4)} | clock.row()


def progress_note(clock: Throughput, taken: StepResult, memory_gib: float) -> str:
    """Return what the progress line says beside the count of steps."""
    return (
        f"loss {taken.joined.loss:.4f}, lr {taken.rate:.2g}, "
        f"{clock.audio_s_per_s:.0f} audio-s/s, padding {taken.joined.padding:.1%}, "
        f"data wait {clock.data_wait:.1%}, {memory_gib:.1f} GiB"
    )


def _tensorboard_writer(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "pretrain.tensorboard = true needs another package: pip install 'earmark[tensorboard]'"
        ) from None
    # What a killed run has written after its last state is about to come again.
    return SummaryWriter(folder / "tensorboard", purge_step=step + 1)
