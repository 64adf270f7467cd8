"""log.jsonl: one row a line, without gaps or repetitions however often a run was killed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from earmark.workspace import write_text


class Log:
    """An open log, from which the rows after `step` have been cut: they are about to come again."""

    def __init__(self, path: Path, *, step: int) -> None:
        kept = [line for line, row in _rows(path) if row["step"] <= step]
        write_text(path, "".join(f"{line}\n" for line in kept))
        self._path = path

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a row; "step" must be in it."""
        with open(self._path, "ab") as stream:
            stream.write(msgspec.json.encode(row) + b"\n")


def _rows(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return whole lines and what they hold; a kill may have torn the last one."""
    if not path.exists():
        return []
    whole, _, _ = path.read_text("utf-8").rpartition("\n")
    return [(line, msgspec.json.decode(line)) for line in whole.splitlines()]
