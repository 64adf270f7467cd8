"""Scores as a Markdown table, for a terminal and for a document."""

from __future__ import annotations

import math
from collections.abc import Sequence

from earmark.bootstrap import ScoreKey, score_key
from earmark.evaluate.base import OK, Comparison
from earmark.records import Score

TABLE_HEADER = ["task", "metric", "classes", "train/test", "chance"]
NO_INTERVAL = "(no interval)"
"""Said where there are too few test recordings."""


def score_table(scores: Sequence[Score], comparisons: Sequence[Comparison]) -> str:
    """Return one line a measure: each encoder's score and interval, and the paired differences.

    A difference whose 95 % interval does not hold zero is in bold; one without an interval never.
    """
    encoders = list(dict.fromkeys(score.encoder for score in scores))
    pairs = list(dict.fromkeys((pair.better, pair.than) for pair in comparisons))
    found = {(score_key(score), score.encoder): score for score in scores}
    leads = {(_comparison_key(pair), pair.better, pair.than): pair for pair in comparisons}
    lines = [[*TABLE_HEADER, *encoders, *(f"{better} - {than}" for better, than in pairs)]]
    lines.append(["---"] * len(lines[0]))
    for measure in dict.fromkeys(score_key(score) for score in scores):
        cells = [_score_cell(found.get((measure, encoder))) for encoder in encoders]
        ahead = [_difference_cell(leads.get((measure, *pair))) for pair in pairs]
        first = next(found[measure, name] for name in encoders if (measure, name) in found)
        lines.append([*_score_columns(first), *cells, *ahead])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def score_title(measure: ScoreKey) -> str:
    """Return what a task is called with the way it was asked: "ESC-50, nearest, 5 a class"."""
    task, probe, shots, _ = measure
    asked = "" if probe in ("linear", task) else f", {probe}"
    return f"{task}{asked}, {shots} a class" if shots else f"{task}{asked}"


def _comparison_key(pair: Comparison) -> ScoreKey:
    return pair.task, pair.probe, pair.shots, pair.metric


def _score_columns(score: Score) -> list[str]:
    sizes = [str(score.classes), f"{score.train}/{score.test}"]
    metric = score.metric.replace("_", " ")
    return [score_title(score_key(score)), metric, *sizes, f"{score.chance:.3f}"]


def _score_cell(score: Score | None) -> str:
    if score is None:
        return ""
    if score.status != OK:
        return score.status
    if math.isnan(score.low):
        return f"{score.value:.3f} {NO_INTERVAL}"
    return f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


def _difference_cell(pair: Comparison | None) -> str:
    if pair is None:
        return ""
    if pair.status != OK:
        return pair.status
    if math.isnan(pair.low):
        return f"{pair.difference:+.3f} {NO_INTERVAL}"
    text = f"{pair.difference:+.3f} [{pair.low:+.3f}, {pair.high:+.3f}]"
    return f"**{text}**" if pair.low > 0 or pair.high < 0 else text
