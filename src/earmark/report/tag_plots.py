"""Plots of the vocabulary: how frequent its tags are, and what it covers as it grows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64

from earmark.annotate.vocabulary.config import PAPER_SIZES
from earmark.annotate.vocabulary.stats import CurvePoint
from earmark.report.svg import BLUE, GREEN, GREY, INK, ORANGE, axes_of, logarithmic, panels_of
from earmark.report.vocabulary import TagFacts

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
