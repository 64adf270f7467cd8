"""How far a few clips a class lead: curves of linear probes, by encoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from earmark.evaluate.base import OK
from earmark.records import Score
from earmark.report.plots import MARKS
from earmark.report.probes import ENCODERS
from earmark.report.run import Finished
from earmark.report.svg import INK, SMALL_HEIGHT_IN, SMALL_WIDTH_IN, axes_of, interval, logarithmic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DASHES = {"trained": "-", "random": "--", "log-mel": "-."}
SPREAD = 0.06
"""Encoders stand this far apart on the x axis, in powers of e, so that intervals do not hide."""


@dataclass(frozen=True)
class Shots:
    """The few-shot scores of a task, by clips a class; `missing` tells (clips, encoder, why)."""

    task: str
    metric: str
    chance: float
    scores: tuple[Score, ...]
    missing: tuple[tuple[int, str, str], ...]

    @property
    def counts(self) -> tuple[int, ...]:
        """Return the clips a class, rising."""
        return tuple(sorted({score.shots for score in self.scores}))

    def of(self, encoder: str) -> tuple[Score, ...]:
        """Return an encoder's scores, rising in clips a class."""
        own = (score for score in self.scores if score.encoder == encoder)
        return tuple(sorted(own, key=lambda score: score.shots))

    def at(self, encoder: str, count: int) -> Score | None:
        """Return an encoder's score from `count` clips a class, None where it has none."""
        return next((score for score in self.of(encoder) if score.shots == count), None)


def read_shots(found: Finished) -> tuple[Shots, ...]:
    """Return the few-shot scores by task; none where none were asked for."""
    by_task = dict[tuple[str, str], list[Score]]()
    for score in found.rows("evaluate", "scores.parquet", Score):
        if score.shots and score.probe == "linear" and score.encoder in ENCODERS:
            by_task.setdefault((score.task, score.metric), []).append(score)
    return tuple(_shots(task, metric, scores) for (task, metric), scores in by_task.items())


def draw_shots(shots: Shots, name: str) -> str:
    """Draw the curves of one task; a task without a value has none."""
    title = f"{shots.metric} on {shots.task} by clips a class, with 95 % intervals"
    with axes_of(name, title, SMALL_HEIGHT_IN, SMALL_WIDTH_IN) as (axes, take):
        for place, encoder in enumerate(ENCODERS):
            _curve(axes, shots.of(encoder), encoder, math.exp(SPREAD * (place - 1)))
        axes.axhline(shots.chance, color=INK, linewidth=0.8, linestyle=":")
        logarithmic(axes, "x")
        axes.set_xticks(shots.counts, [f"{count:,}" for count in shots.counts])
        axes.minorticks_off()
        axes.set(xlabel="clips a class")
    return take()


def _curve(axes: Axes, scores: Sequence[Score], encoder: str, shift: float) -> None:
    colour, marker = MARKS[encoder]
    at = [score.shots * shift for score in scores]
    values = [score.value for score in scores]
    axes.plot(at, values, DASHES[encoder], color=colour, marker=marker, markersize=4.5)
    for x, score in zip(at, scores, strict=True):
        interval(axes, x, score.low, score.high, colour, width=1.2)


def _shots(task: str, metric: str, scores: Sequence[Score]) -> Shots:
    measured = tuple(score for score in scores if score.status == OK)
    missing = tuple((s.shots, s.encoder, s.status) for s in scores if s.status != OK)
    return Shots(task, metric, scores[0].chance, measured, missing)
