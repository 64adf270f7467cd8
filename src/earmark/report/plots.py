"""Plots as SVG that lives inside the page: its fonts, and its colours in light and in dark.

Matplotlib draws in stand-in colours; each is then replaced by a CSS variable of style.css. The
colours are Okabe and Ito's, which the colour-blind can tell apart (jfly.uni-koeln.de/color, 2008).
Equal data gives equal bytes.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .probes import Probe
from .tags import Coverage, TagFacts
from .training import Curve, Training

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.typing import RcKeyType

INK, FAINT = "#010203", "#040506"
TRAINED, RANDOM, LOG_MEL, OTHER = "#111213", "#141516", "#171819", "#1a1b1c"
VARIABLES = {
    INK: "currentColor",
    FAINT: "var(--faint)",
    TRAINED: "var(--trained)",
    RANDOM: "var(--random)",
    LOG_MEL: "var(--log-mel)",
    OTHER: "var(--other)",
}
MARKS = {"trained": (TRAINED, "o"), "random": (RANDOM, "s"), "log-mel": (LOG_MEL, "D")}
FEW_POINTS = 40
"""Below this a curve is drawn as it is, without a running mean."""
WIDTH_IN, HEIGHT_IN = 5.6, 3.4
STYLE: dict[RcKeyType, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "earmark",
    "text.parse_math": False,
    "font.size": 10.5,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


def rank_frequency(facts: TagFacts) -> str:
    """Draw clips by rank, both logarithmic: every tag as written, and the chosen ones."""
    with _axes("rank", "Clips with a tag, by the rank of the tag") as (axes, take):
        for counts, colour, label, size in (
            (facts.written, OTHER, "as written", 3.0),
            (facts.chosen, TRAINED, "in the vocabulary", 4.0),
        ):
            ranks = np.arange(1, len(counts) + 1)
            axes.plot(ranks, counts, ".", color=colour, markersize=size, label=label)
        axes.set(xlabel="rank of the tag", ylabel="clips with the tag")
        _logarithmic(axes, "x")
        _logarithmic(axes, "y")
        axes.legend(loc="upper right", markerscale=3)
    return take()


def coverage(cover: Coverage) -> str:
    """Draw the shares that a vocabulary of each size covers."""
    with _axes("coverage", "Share covered, by the size of the vocabulary") as (axes, take):
        sizes = np.arange(1, len(cover.clips) + 1)
        axes.plot(sizes, 100 * cover.clips, color=TRAINED, label="clips with a tag")
        axes.plot(sizes, 100 * cover.uses, "--", color=RANDOM, label="tags as written")
        axes.set(ylim=(0, 103), xlabel="size of the vocabulary", ylabel="covered, %")
        _logarithmic(axes, "x")
        axes.legend(loc="lower right")
    return take()


def loss(training: Training) -> str:
    """Draw the training and validation loss by step."""
    with _axes("loss", "Loss by optimiser step") as (axes, take):
        train = training.train
        smooth = smoothed(train)
        if len(train.steps) >= FEW_POINTS:
            axes.plot(train.steps, train.values, color=OTHER, linewidth=0.8, label="train")
        label = "train, running mean" if len(train.steps) >= FEW_POINTS else "train"
        axes.plot(smooth.steps, smooth.values, color=TRAINED, label=label)
        validation = training.validation
        axes.plot(validation.steps, validation.values, "o--", color=RANDOM, label="validation")
        axes.set(xlabel="step", ylabel="loss")
        if _falls_far(train):
            _logarithmic(axes, "y", labelled=(1, 2, 5))
        axes.legend(loc="best")
    return take()


def precision(training: Training) -> str:
    """Draw the validation mAP by step."""
    with _axes("map", "Validation mAP by optimiser step") as (axes, take):
        axes.plot(training.precision.steps, training.precision.values, "o-", color=TRAINED)
        axes.set(xlabel="step", ylabel="mAP on validation", ylim=(0, None))
    return take()


def probes(rows: Sequence[Probe], metric: str, names: dict[str, str]) -> str:
    """Draw each task's scores with their 95 % intervals, and chance as a tick; one metric."""
    height_in = 1.1 + 0.62 * len(rows)
    title = f"{metric} of each task with its 95 % interval"
    with _axes(f"probes-{metric}", title, height_in) as (axes, take):
        for place, probe in enumerate(rows):
            _dots(axes, place, probe)
        for encoder, label in names.items():
            colour, marker = MARKS.get(encoder, (OTHER, "^"))
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
        colour, marker = MARKS.get(score.encoder, (OTHER, "^"))
        axes.plot([score.low, score.high], [place + offset] * 2, color=colour, linewidth=2)
        axes.plot(score.value, place + offset, marker, color=colour, markersize=6)
    if probe.measured:
        axes.plot([probe.measured[0].chance] * 2, [place - 0.32, place + 0.32], color=INK)


def _falls_far(curve: Curve) -> bool:
    values = curve.values
    return len(values) > 0 and values.min() > 0 and values.max() / values.min() > 10


def _logarithmic(axes: Axes, which: Literal["x", "y"], labelled: Sequence[int] = (1,)) -> None:
    """Make an axis logarithmic with plain numbers at `labelled` times the powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log") if which == "x" else axes.set_yscale("log")
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(LogLocator(subs=labelled))
    axis.set_major_formatter(FuncFormatter(_plain))
    axis.set_minor_formatter(NullFormatter())


def _plain(value: float, _: int | None) -> str:
    return f"{value:,g}"


@contextmanager
def _axes(
    name: str, title: str, height_in: float = HEIGHT_IN
) -> Generator[tuple[Axes, Callable[[], str]]]:
    """Give axes to draw on; afterwards the callable returns the SVG."""
    import matplotlib
    from matplotlib.figure import Figure

    done = list[str]()
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        # The reader's browser draws the text: a glyph that DejaVu lacks is no loss.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        axes = figure.add_subplot()
        axes.grid(visible=True)
        axes.set_axisbelow(True)
        yield axes, lambda: done[0]
        stream = io.StringIO()
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    done.append(embeddable(stream.getvalue(), name, title))


def embeddable(svg: str, name: str, title: str) -> str:
    """Turn matplotlib's SVG file into an element of the page, named by `title`.

    Ids get the prefix `name`, for a page holds several plots.
    """
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    found = re.search(r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', svg)
    assert found, "matplotlib's SVG always has a viewBox"
    label = html.escape(title, quote=True)
    opening = f'<svg class="plot" viewBox="{found[1]}" role="img" aria-label="{label}">'
    svg = opening + svg[found.end() :]
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, variable)
    return svg
