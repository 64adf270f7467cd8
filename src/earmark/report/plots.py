"""Plots of training and probes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from earmark.report.numbers import called
from earmark.report.probes import Probe
from earmark.report.svg import BLUE, GREEN, GREY, INK, ORANGE, axes_of, logarithmic
from earmark.report.training import Training
from earmark.report.training_log import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = {"trained": (BLUE, "o"), "random": (ORANGE, "s"), "log-mel": (GREEN, "D")}
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
            _dots(axes, place, probe)
        for encoder, label in names.items():
            colour, marker = MARKS.get(encoder, (GREY, "^"))
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


def _dots(axes: Axes, place: int, probe: Probe) -> None:
    for score in probe.measured:
        names = list(MARKS)
        offset = 0.2 * (names.index(score.encoder) - 1) if score.encoder in names else 0.4
        colour, marker = MARKS.get(score.encoder, (GREY, "^"))
        axes.plot([score.low, score.high], [place + offset] * 2, color=colour, linewidth=2)
        axes.plot(score.value, place + offset, marker, color=colour, markersize=6)
    if probe.measured:
        axes.plot([probe.measured[0].chance] * 2, [place - 0.32, place + 0.32], color=INK)


def _falls_far(curve: Curve) -> bool:
    values = curve.values
    return len(values) > 0 and values.min() > 0 and values.max() / values.min() > 10
