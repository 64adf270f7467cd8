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
from earmark.report.audit import MATCH_ORDER, FieldAgreement
from earmark.report.formatting import metric_name
from earmark.report.scores import ENCODER_NAMES, FewShotScores, ProbeScores
from earmark.report.svg import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    SMALL_HEIGHT_IN,
    SMALL_WIDTH_IN,
    draw_interval,
    set_log_scale,
    svg_axes,
    svg_panels,
)
from earmark.report.training import Curve, TrainingRun
from earmark.report.vocabulary import VocabularySection

if TYPE_CHECKING:
    from matplotlib.axes import Axes


ENCODER_MARKS = {"trained": (BLUE, "o"), "random": (ORANGE, "s"), "log-mel": (GREEN, "D")}

LINE_STYLES = ((BLUE, "-"), (ORANGE, "--"), (GREEN, "-."), (GREY, ":"))

FEW_POINTS = 40
"""Below this a curve is drawn as it is, without a running mean."""


def plot_loss(training: TrainingRun) -> str:
    """Draw the training and validation loss by step."""
    with svg_axes("loss", "Loss by optimizer step") as (axes, take):
        train = training.train
        smooth = running_mean(train)
        if len(train.steps) >= FEW_POINTS:
            axes.plot(train.steps, train.values, color=GREY, linewidth=0.8, label="train")
        label = "train, running mean" if len(train.steps) >= FEW_POINTS else "train"
        axes.plot(smooth.steps, smooth.values, color=BLUE, label=label)
        validation = training.validation
        axes.plot(validation.steps, validation.values, "o--", color=ORANGE, label="validation")
        axes.set(xlabel="step", ylabel="loss")
        if _needs_log_scale(train):
            set_log_scale(axes, "y", labelled=(1, 2, 5))
        axes.legend(loc="best")
    return take()


def plot_loss_parts(training: TrainingRun) -> str:
    """Draw the losses that make up the training loss, by step."""
    with svg_axes("parts", "Parts of the training loss by optimizer step") as (axes, take):
        for place, (name, curve) in enumerate(training.parts.items()):
            colour, dash = LINE_STYLES[place % len(LINE_STYLES)]
            smooth = running_mean(curve)
            axes.plot(smooth.steps, smooth.values, dash, color=colour, label=name)
        axes.set(xlabel="step", ylabel="loss, running mean")
        axes.legend(loc="best")
    return take()


def plot_score(training: TrainingRun) -> str:
    """Draw the validation score that chooses checkpoints, or the first there is, by step."""
    name = training.drawn
    curve = training.scores[name]
    with svg_axes("score", f"Validation {metric_name(name)} by optimizer step") as (axes, take):
        axes.plot(curve.steps, curve.values, "o-", color=BLUE)
        axes.set(xlabel="step", ylabel=f"{metric_name(name)} on validation", ylim=(0, None))
    return take()


def plot_probes(rows: Sequence[ProbeScores], metric: str, names: dict[str, str]) -> str:
    """Draw each task's scores with their 95 % intervals, and chance as a tick; one metric."""
    height_in = 1.1 + 0.62 * len(rows)
    title = f"{metric} of each task with its 95 % interval"
    with svg_axes(f"probes-{metric}", title, height_in) as (axes, take):
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


def running_mean(curve: Curve) -> Curve:
    """Return the running mean over a twentieth of the points, centred, shorter at the ends."""
    if len(curve.values) == 0:
        return curve
    kernel = np.ones(max(len(curve.values) // 20, 1))
    counts = np.convolve(np.ones(len(curve.values)), kernel, mode="same")
    return Curve(curve.steps, np.convolve(curve.values, kernel, mode="same") / counts)


def _draw_probe(axes: Axes, place: int, probe: ProbeScores) -> None:
    for score in probe.measured:
        names = list(ENCODER_MARKS)
        offset = 0.2 * (names.index(score.encoder) - 1) if score.encoder in names else 0.4
        colour, marker = ENCODER_MARKS.get(score.encoder, (GREY, "^"))
        axes.plot([score.low, score.high], [place + offset] * 2, color=colour, linewidth=2)
        axes.plot(score.value, place + offset, marker, color=colour, markersize=6)
    if probe.measured:
        axes.plot([probe.measured[0].chance] * 2, [place - 0.32, place + 0.32], color=INK)


def _needs_log_scale(curve: Curve) -> bool:
    values = curve.values
    return len(values) > 0 and values.min() > 0 and values.max() / values.min() > 10


MAX_RANKS = 250
"""More points than this do not show on a logarithmic axis, but weigh on the page."""


def plot_rank_frequency(tags: VocabularySection) -> str:
    """Draw captions by rank, both logarithmic: as written, after folding, in the vocabulary."""
    with svg_axes("rank", "Captions with a tag, by the rank of the tag") as (axes, take):
        axes.plot(
            *_sample_ranks(tags.frequencies), color=BLUE, linewidth=5, label="in the vocabulary"
        )
        if tags.facts:
            axes.plot(*_sample_ranks(tags.facts.written), color=GREY, label="as written")
            axes.plot(*_sample_ranks(tags.facts.folded), "--", color=ORANGE, label="after folding")
        axes.set(xlabel="rank of the tag", ylabel="captions with the tag")
        set_log_scale(axes, "x")
        set_log_scale(axes, "y")
        axes.legend(loc="lower left")
    return take()


def plot_growth(curve: Sequence[CurvePoint], size: int) -> str:
    """Draw what growing vocabularies cover and, below, the positives of their rarest tag.

    A line marks the `size` that was chosen, dotted ones mark the paper's that the curve reaches.
    """
    sizes = [point.size for point in curve]
    title = "Coverage and positives of the rarest tag, by the size of the vocabulary"
    with svg_panels("growth", title, 2, height_in=4.8) as ((shares, positives), take):
        clips, uses = ([100 * share for share in column] for column in _coverage_columns(curve))
        shares.plot(sizes, clips, color=BLUE, label="captions that keep a tag")
        shares.plot(sizes, uses, "--", color=ORANGE, label="uses of tags")
        shares.set(ylim=(0, 103), ylabel="covered, %")
        positives.plot(sizes, [point.positives for point in curve], "-.", color=GREEN)
        positives.set(xlabel="size of the vocabulary", ylabel="captions with\nthe rarest tag")
        set_log_scale(shares, "x")
        set_log_scale(positives, "x")
        set_log_scale(positives, "y")
        for axes in (shares, positives):
            _mark_sizes(axes, size, sizes[-1])
        shares.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, columnspacing=1.2)
    return take()


def spaced_ranks(count: int) -> Int64[np.ndarray, " ranks"]:
    """Return at most `MAX_RANKS` ranks of 1 to `count`, both ends included, log-spaced."""
    spaced = np.geomspace(1, count, min(count, MAX_RANKS)) if count else np.empty(0)
    return np.unique(np.rint(spaced).astype(np.int64))


def _sample_ranks(falling: Sequence[int]) -> tuple[Int64[np.ndarray, " ranks"], list[int]]:
    ranks = spaced_ranks(len(falling))
    return ranks, [falling[rank - 1] for rank in ranks]


def _coverage_columns(curve: Sequence[CurvePoint]) -> tuple[list[float], list[float]]:
    return [point.clips for point in curve], [point.uses for point in curve]


def _mark_sizes(axes: Axes, chosen: int, largest: int) -> None:
    axes.axvline(chosen, color=INK, linewidth=1.2, label=f"chosen: {chosen:,}")
    others = [size for size in PAPER_SIZES if size <= largest and size != chosen]
    for place, size in enumerate(others):
        label = "the paper's sizes" if place == 0 else None
        axes.axvline(size, color=GREY, linewidth=1, linestyle=":", label=label)


MATCH_MARKS = {"exact": (BLUE, "o"), "lemma": (ORANGE, "s"), "semantic": (GREEN, "D")}

MAX_NAME_LENGTH = 26
"""Characters of a name beside the axis; the table has all of it."""


def plot_agreement(compared: Sequence[FieldAgreement]) -> str:
    """Draw F1 with its 95 % interval for each label field, by the way to match."""
    height_in = 1.1 + 0.55 * len(compared)
    title = "F1 of tags against people's labels, with 95 % intervals"
    with svg_axes("agreement", title, height_in) as (axes, take):
        for place, field in enumerate(compared):
            _draw_agreement(axes, place, field)
        for match in _used_matches(compared):
            colour, marker = MATCH_MARKS[match]
            axes.plot([], [], marker, color=colour, label=match)
        axes.set_yticks(range(len(compared)), [_shorten(field.name) for field in compared])
        axes.set(xlim=(0, 1.005), ylim=(len(compared) - 0.5, -0.5), xlabel="F1")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, columnspacing=1.2)
    return take()


def _draw_agreement(axes: Axes, place: int, field: FieldAgreement) -> None:
    for row in field.whole:
        if math.isnan(row.f1):
            continue
        colour, marker = MATCH_MARKS[row.match]
        height = place + 0.22 * (MATCH_ORDER.index(row.match) - 1)
        axes.plot([row.f1_low, row.f1_high], [height] * 2, color=colour, linewidth=2)
        axes.plot(row.f1, height, marker, color=colour, markersize=6)


def _used_matches(compared: Sequence[FieldAgreement]) -> list[str]:
    used = {row.match for field in compared for row in field.whole}
    return [match for match in MATCH_ORDER if match in used]


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME_LENGTH else name[: MAX_NAME_LENGTH - 1] + "…"


ENCODER_DASHES = {"trained": "-", "random": "--", "log-mel": "-."}

FEW_SHOT_SPREAD = 0.06
"""Encoders stand this far apart on the x axis, in powers of e, so that intervals do not hide."""


def plot_few_shot(shots: FewShotScores, name: str) -> str:
    """Draw the curves of one task; a task without a value has none."""
    title = f"{shots.metric} on {shots.task} by clips a class, with 95 % intervals"
    with svg_axes(name, title, SMALL_HEIGHT_IN, SMALL_WIDTH_IN) as (axes, take):
        for place, encoder in enumerate(ENCODER_NAMES):
            _draw_few_shot(
                axes, shots.of(encoder), encoder, math.exp(FEW_SHOT_SPREAD * (place - 1))
            )
        axes.axhline(shots.chance, color=INK, linewidth=0.8, linestyle=":")
        set_log_scale(axes, "x")
        axes.set_xticks(shots.counts, [f"{count:,}" for count in shots.counts])
        axes.minorticks_off()
        axes.set(xlabel="clips a class")
    return take()


def _draw_few_shot(axes: Axes, scores: Sequence[Score], encoder: str, shift: float) -> None:
    colour, marker = ENCODER_MARKS[encoder]
    at = [score.shots * shift for score in scores]
    values = [score.value for score in scores]
    axes.plot(at, values, ENCODER_DASHES[encoder], color=colour, marker=marker, markersize=4.5)
    for x, score in zip(at, scores, strict=True):
        draw_interval(axes, x, score.low, score.high, colour, width=1.2)
