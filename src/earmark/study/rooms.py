"""Where a study's own files are, beside the stages of the workspace.

    study-<name>/                          study.json, the tables, the page
    study-<name>/runs/<arm>-seed<n>-<id>/  recipe.json, log.txt, outcome.json of a run

A run's id is its evaluation's fingerprint: another recipe, another folder.
"""

from __future__ import annotations

import re
from pathlib import Path

LONGEST_NAME = 40


def study_folder(root: Path, name: str) -> Path:
    """Return where the files of a study are."""
    return root / f"study-{name}"


def run_folder(folder: Path, arm: str, seed: int, fingerprint: str) -> Path:
    """Return a run's own folder."""
    plain = re.sub(r"[^A-Za-z0-9.]+", "-", arm).strip("-.")[:LONGEST_NAME] or "arm"
    return folder / "runs" / f"{plain}-seed{seed}-{fingerprint}"
