"""A job: a table of prompts, the backend that answers them, and which answers are drawn again.

Prompts are read from a stage's input table as they are needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from earmark.annotate.backends.base import Backend, Prompt
from earmark.tables import count_rows

READ_BATCH_ROWS = 512
"""Rows decoded at a time: few enough not to hold up what is in flight."""

_PROMPT_COLUMNS = {"audio": ("id", "path", "start_s", "duration_s"), "text": ("id", "text")}


@dataclass(frozen=True)
class PromptTable:
    """Prompts from a table of clips ("audio") or of captions ("text").

    A clip's prompt says where the audio is and how long, never what its labels are. A caption's
    prompt is the whole caption, not its summary (paper section 3.1).
    """

    path: Path
    kind: Literal["audio", "text"]

    def __len__(self) -> int:
        return count_rows(self.path)

    def read(self, rows: range, done: bytearray | None = None) -> Iterator[tuple[int, Prompt]]:
        """Yield (row, prompt) for each row of `rows`, but for those that `done` marks with 1."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.path, pre_buffer=False) as file:
            first = 0
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                if first < rows.stop and first + size > rows.start:
                    yield from self._read_group(file, group, first, rows, done)
                first += size

    def _read_group(
        self, file: Any, group: int, first: int, rows: range, done: bytearray | None
    ) -> Iterator[tuple[int, Prompt]]:
        columns = _PROMPT_COLUMNS[self.kind]
        for batch in file.iter_batches(
            READ_BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False
        ):
            wanted = [
                row
                for row in range(max(first, rows.start), min(first + len(batch), rows.stop))
                if done is None or not done[row - rows.start]
            ]
            if wanted:
                for row, plain in zip(
                    wanted, batch.take([row - first for row in wanted]).to_pylist(), strict=True
                ):
                    yield row, self._prompt(plain)
            first += len(batch)

    def _prompt(self, plain: dict[str, Any]) -> Prompt:
        if self.kind == "text":
            return Prompt(id=plain["id"], text=plain["text"])
        return Prompt(
            id=plain["id"],
            audio=plain["path"],
            start_s=plain["start_s"],
            duration_s=plain["duration_s"],
        )


AnswerCheck = Callable[[str, str], str | None]
"""(text, finish reason) -> why the answer is turned down, or None."""


class BackendConfig(Protocol):
    """Settings that build a backend, in whichever process does the work."""

    def build(self) -> Backend:
        """Return the backend; nothing is started yet."""
        ...


@dataclass(frozen=True)
class Job:
    """A table of prompts, who answers them, and what is turned down; it can be pickled.

    Each prompt whose answer has a fault is asked once more, as another draw.
    """

    title: str
    prompts: PromptTable
    backend: BackendConfig
    fault: AnswerCheck
    folder: Path
