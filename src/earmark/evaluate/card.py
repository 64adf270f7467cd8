"""Probes into the model card of the checkpoint that was probed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark.evaluate.base import Comparison
from earmark.evaluate.format import score_table
from earmark.pretrain.checkpoint.model_card import CARD, set_probes
from earmark.records import Score
from earmark.workspace import write_text

READING = (
    "Linear probes on frozen, time-averaged features; test clips only. Brackets are 95 % bootstrap "
    "intervals, differences are paired, those in bold do not hold zero."
)


def add_probes(folder: Path, scores: Sequence[Score], comparisons: Sequence[Comparison]) -> bool:
    """Show scores in the card of the checkpoint in `folder`, instead of those it showed before.

    The card alone is rewritten, at once or not at all; nothing that a stage reads changes. Returns
    whether there is a card: a checkpoint of an earlier version has none.
    """
    path = folder / CARD
    if not path.exists():
        return False
    told = (
        f"{READING}\n\n{score_table(scores, comparisons)}" if scores else "No task was asked for."
    )
    write_text(path, set_probes(path.read_text("utf-8"), told))
    return True
