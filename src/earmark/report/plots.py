"""The plots of a report: training, probes, few-shot curves, the vocabulary, and the audit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64

from earmark.annotate.vocabulary.config import PAPER_SIZES
from earmark.annotate.vocabulary.stats import CurvePoint
from earmark.records import Score
from earmark.report.audit import MATCHES, Compared
from earmark.report.formatting import called
from earmark.report.scores import ENCODERS, Probe, Shots
from earmark.report.svg import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SMALL_HEIGHT_IN,
    SMALL_WIDTH_IN,
    axes_of,
    interval,
    logarithmic,
    panels_of,
)
from earmark.report.training import Curve, Training
from earmark.report.vocabulary import TagFacts

if TYPE_CHECKING:
    from matplotlib.axes import Axes


ENCODER_MARKS = {"trained": (BLUE, "o"), "random": (ORANGE, "s"), "log-mel": (GREEN, "D")}

SERIES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (GREY, ":"))

FEW_POINTS = 40
"""Below this a curve is drawn as it is, without a running mean."""


def loss(training: Training) -> str:
    """Draw the training and validation loss by step."""
    with axes_of("loss", "Loss by optimiser step") as (axes, take):
        train = training.train
        smooth = smoothed(train)
        if len(train.steps) >= FEW_POINTS:
            axes.plot(train.steps, train.values, color=GREY, linewidth=0.8, label="train")
        label = "train, running mean" if len(train.steps) >= FEW_POINTS else "train"
        axes.plot(smooth.steps, smooth.values, color=BLUE, label=label)
        validation = training.validation
        axes.plot(validation.steps, validation.values, "o--", color=ORANGE, label="validation")
        axes.set(xlabel="step", ylabel="loss")
        if _falls_far(train):
            logarithmic(axes, "y", labelled=(1, 2, 5))
        axes.legend(loc="best")
    return take()


def parts(training: Training) -> str:
    """Draw the losses that make up the training loss, by step."""
    with axes_of("parts", "Parts of the training loss by optimiser step") as (axes, take):
        for place, (name, curve) in enumerate(training.parts.items()):
            colour, dash = SERIES[place % len(SERIES)]
            smooth = smoothed(curve)
            axes.plot(smooth.steps, smooth.values, dash, color=colour, label=name)
        axes.set(xlabel="step", ylabel="loss, running mean")
        axes.legend(loc="best")
    return take()


def score(training: Training) -> str:
    """Draw the validation score that chooses checkpoints, or the first there is, by step."""
    name = training.drawn
    curve = training.scores[name]
    with axes_of("score", f"Validation {called(name)} by optimiser step") as (axes, take):
        axes.plot(curve.steps, curve.values, "o-", color=BLUE)
        axes.set(xlabel="step", ylabel=f"{called(name)} on validation", ylim=(0, None))
    return take()


def probes(rows: Sequence[Probe], metric: str, names: dict[str, str]) -> str:
    """Draw each task's scores with their 95 % intervals, and chance as a tick; one metric."""
    height_in = 1.1 + 0.62 * len(rows)
    title = f"{metric} of each task with its 95 % interval"
    with axes_of(f"probes-{metric}", title, height_in) as (axes, take):
        for place, probe in enumerate(rows):
            _draw_probe(axes, place, probe)
        for encoder, label in names.items():
            colour, marker = ENCODER_MARKS.get(encoder, (GREY, "^"))
            axes.plot([], [], marker, color=colour, label=label)
        axes.plot([], [], "|", color=INK, markersize=11, label="chance")
        axes.set_yticks(range(len(rows)), [probe.task for probe in rows])
        axes.set(xlim=(0, 1.005), ylim=(len(rows) - 0.5, -0.5), xlabel=metric)
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, columnspacing=1.2)
    return take()


def smoothed(curve: Curve) -> Curve:
    """Return the running mean over a twentieth of the points, centred, shorter at the ends."""
    if len(curve.values) == 0:
        return curve
    kernel = np.ones(max(len(curve.values) // 20, 1))
    counts = np.convolve(np.ones(len(curve.values)), kernel, mode="same")
    return Curve(curve.steps, np.convolve(curve.values, kernel, mode="same") / counts)


def _draw_probe(axes: Axes, place: int, probe: Probe) -> None:
    for score in probe.measured:
        names = list(ENCODER_MARKS)
        offset = 0.2 * (names.index(score.encoder) - 1) if score.encoder in names else 0.4
        colour, marker = ENCODER_MARKS.get(score.encoder, (GREY, "^"))
        axes.plot([score.low, score.high], [place + offset] * 2, color=colour, linewidth=2)
        axes.plot(score.value, place + offset, marker, color=colour, markersize=6)
    if probe.measured:
        axes.plot([probe.measured[0].chance] * 2, [place - 0.32, place + 0.32], color=INK)


def _falls_far(curve: Curve) -> bool:
    values = curve.values
    return len(values) > 0 and values.min() > 0 and values.max() / values.min() > 10


MOST_RANKS = 250
"""More points than this do not show on a logarithmic axis, but weigh on the page."""


def rank_frequency(tags: TagFacts) -> str:
    """Draw captions by rank, both logarithmic: as written, after folding, in the vocabulary."""
    with axes_of("rank", "Captions with a tag, by the rank of the tag") as (axes, take):
        axes.plot(*_ranked(tags.frequencies), color=BLUE, linewidth=5, label="in the vocabulary")
        if tags.facts:
            axes.plot(*_ranked(tags.facts.written), color=GREY, label="as written")
            axes.plot(*_ranked(tags.facts.folded), "--", color=ORANGE, label="after folding")
        axes.set(xlabel="rank of the tag", ylabel="captions with the tag")
        logarithmic(axes, "x")
        logarithmic(axes, "y")
        axes.legend(loc="lower left")
    return take()


def growth(curve: Sequence[CurvePoint], size: int) -> str:
    """Draw what growing vocabularies cover and, below, the positives of their rarest tag.

    A line marks the `size` that was chosen, dotted ones mark the paper's that the curve reaches.
    """
    sizes = [point.size for point in curve]
    title = "Coverage and positives of the rarest tag, by the size of the vocabulary"
    with panels_of("growth", title, 2, height_in=4.8) as ((shares, positives), take):
        clips, uses = ([100 * share for share in column] for column in _covered(curve))
        shares.plot(sizes, clips, color=BLUE, label="captions that keep a tag")
        shares.plot(sizes, uses, "--", color=ORANGE, label="uses of tags")
        shares.set(ylim=(0, 103), ylabel="covered, %")
        positives.plot(sizes, [point.positives for point in curve], "-.", color=GREEN)
        positives.set(xlabel="size of the vocabulary", ylabel="captions with\nthe rarest tag")
        logarithmic(shares, "x")
        logarithmic(positives, "x")
        logarithmic(positives, "y")
        for axes in (shares, positives):
            _mark_sizes(axes, size, sizes[-1])
        shares.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, columnspacing=1.2)
    return take()


def ranks_to_draw(count: int) -> Int64[np.ndarray, " ranks"]:
    """Return at most `MOST_RANKS` ranks of 1 to `count`, both ends included, log-spaced."""
    spaced = np.geomspace(1, count, min(count, MOST_RANKS)) if count else np.empty(0)
    return np.unique(np.rint(spaced).astype(np.int64))


def _ranked(falling: Sequence[int]) -> tuple[Int64[np.ndarray, " ranks"], list[int]]:
    ranks = ranks_to_draw(len(falling))
    return ranks, [falling[rank - 1] for rank in ranks]


def _covered(curve: Sequence[CurvePoint]) -> tuple[list[float], list[float]]:
    return [point.clips for point in curve], [point.uses for point in curve]


def _mark_sizes(axes: Axes, chosen: int, largest: int) -> None:
    axes.axvline(chosen, color=INK, linewidth=1.2, label=f"chosen: {chosen:,}")
    others = [size for size in PAPER_SIZES if size <= largest and size != chosen]
    for place, size in enumerate(others):
        label = "the paper's sizes" if place == 0 else None
        axes.axvline(size, color=GREY, linewidth=1, linestyle=":", label=label)


MATCH_MARKS = {"exact": (BLUE, "o"), "lemma": (ORANGE, "s"), "semantic": (GREEN, "D")}

LONGEST_NAME = 26
"""Characters of a name beside the axis; the table has all of it."""


def agreement(compared: Sequence[Compared]) -> str:
    """Draw F1 with its 95 % interval for each label field, by the way to match."""
    height_in = 1.1 + 0.55 * len(compared)
    title = "F1 of tags against people's labels, with 95 % intervals"
    with axes_of("agreement", title, height_in) as (axes, take):
        for place, field in enumerate(compared):
            _draw_agreement(axes, place, field)
        for match in _used(compared):
            colour, marker = MATCH_MARKS[match]
            axes.plot([], [], marker, color=colour, label=match)
        axes.set_yticks(range(len(compared)), [_shortened(field.name) for field in compared])
        axes.set(xlim=(0, 1.005), ylim=(len(compared) - 0.5, -0.5), xlabel="F1")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, columnspacing=1.2)
    return take()


def _draw_agreement(axes: Axes, place: int, field: Compared) -> None:
    for row in field.whole:
        if math.isnan(row.f1):
            continue
        colour, marker = MATCH_MARKS[row.match]
        height = place + 0.22 * (MATCHES.index(row.match) - 1)
        axes.plot([row.f1_low, row.f1_high], [height] * 2, color=colour, linewidth=2)
        axes.plot(row.f1, height, marker, color=colour, markersize=6)


def _used(compared: Sequence[Compared]) -> list[str]:
    used = {row.match for field in compared for row in field.whole}
    return [match for match in MATCHES if match in used]


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"


DASHES = {"trained": "-", "random": "--", "log-mel": "-."}

SPREAD = 0.06
"""Encoders stand this far apart on the x axis, in powers of e, so that intervals do not hide."""


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
    colour, marker = ENCODER_MARKS[encoder]
    at = [score.shots * shift for score in scores]
    values = [score.value for score in scores]
    axes.plot(at, values, DASHES[encoder], color=colour, marker=marker, markersize=4.5)
    for x, score in zip(at, scores, strict=True):
        interval(axes, x, score.low, score.high, colour, width=1.2)
