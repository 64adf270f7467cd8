"""Decode each file once: hash, duration, loudness, faults; long files are cut into windows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from msgspec.structs import replace

from earmark.records import Source
from earmark.stages.base import Counts, Folders, Stage
from earmark.tables import read_parquet


class ScanStage(Stage):
    """Writes clips.parquet."""

    name = "scan"
    inputs = ("corpus",)

    def settings(self) -> Any:
        """Return the scan's settings, but for the number of processes."""
        return replace(self.recipe.scan, workers=0)

    def run(self, inputs: Folders, folder: Path) -> Counts:
        """Scan each file."""
        from earmark.annotate.scan import scan

        sources = read_parquet(inputs["corpus"] / "sources.parquet", Source)
        return scan(sources, self.recipe.scan, folder)
