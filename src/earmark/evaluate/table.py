"""Scores as a Markdown table, for a terminal and for a document."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.evaluate.base import OK, Comparison
from earmark.records import Score


def score_table(scores: Sequence[Score], comparisons: Sequence[Comparison]) -> str:
    """Return one line a task: each encoder's score and interval, and the paired differences.

    A difference whose 95 % interval does not hold zero is in bold.
    """
    encoders = list(dict.fromkeys(score.encoder for score in scores))
    pairs = list(dict.fromkeys((pair.better, pair.than) for pair in comparisons))
    differences = [f"{better} - {than}" for better, than in pairs]
    header = ["task", "metric", "classes", "train/test", "chance", *encoders, *differences]
    lines = [header, ["---"] * len(header)]
    for task in dict.fromkeys(score.task for score in scores):
        rows = {score.encoder: score for score in scores if score.task == task}
        leads = {(pair.better, pair.than): pair for pair in comparisons if pair.task == task}
        first = next(iter(rows.values()))
        facts = [task, first.metric, str(first.classes), f"{first.train}/{first.test}"]
        cells = [_score(rows[name]) if name in rows else "" for name in encoders]
        ahead = [_difference(leads[pair]) if pair in leads else "" for pair in pairs]
        lines.append([*facts, f"{first.chance:.3f}", *cells, *ahead])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _score(score: Score) -> str:
    if score.status != OK:
        return score.status
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


def _difference(pair: Comparison) -> str:
    if pair.status != OK:
        return pair.status
    text = f"{pair.difference:+.3f} [{pair.low:+.3f}, {pair.high:+.3f}]"
    return f"**{text}**" if pair.low > 0 or pair.high < 0 else text
