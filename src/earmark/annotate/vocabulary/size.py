"""Choose the size of a vocabulary, and compute its growth curve."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from earmark.annotate.vocabulary.config import AutoSize, VocabularyConfig
from earmark.annotate.vocabulary.stats import CurvePoint
from earmark.config import ConfigError

CURVE_POINTS = 60
"""Sizes at which the curve is drawn, besides those that were asked for."""

SMOOTHING_TAGS = 50
"""Tags over which the gain is averaged: one rare tag among common ones does not end growth."""

RankedCounts = Int64[np.ndarray, " ranks"]


def choose_size(
    df: RankedCounts, uses: int, config: VocabularyConfig, kept: int = 0
) -> tuple[int, str]:
    """Return the size of the vocabulary, and why it is so, in words.

    Args:
        df: captions that hold each tag that qualifies, best tag first.
        uses: (caption, tag) pairs of all tags, also of those that do not qualify.
        config: what was asked for.
        kept: so many tags at the beginning are there because people said so, whatever their df.

    Raises:
        ConfigError: one of `config.sizes` is beyond the tags there are; a size has no room for
            the kept tags.
    """
    exist = len(df)
    if beyond := [size for size in config.sizes if size > exist]:
        possible = [size for size in config.sizes if size <= exist]
        raise ConfigError(
            f"vocabulary: sizes = {list(config.sizes)} asks for {beyond[0]} tags, but only {exist} "
            f"are in at least {config.least_df} captions. Give more clips or a lower min_df, or "
            f"write sizes = {[*possible, exist]}."
        )
    asked = [size for size in (config.size, *config.sizes) if size != "auto"]
    if small := [size for size in asked if size < kept]:
        raise ConfigError(
            f"vocabulary: a size of {small[0]} has no room for the {kept} tags that the decisions "
            "keep: ask for more, or keep fewer"
        )
    if config.size == "auto":
        return auto_size(df, uses, config.auto, kept)
    if config.size > exist:
        return exist, (
            f"{exist}: all tags that are in at least {config.min_df} captions; {config.size} were "
            "asked for, but there are no more"
        )
    return config.size, f"{config.size}: asked for, of {exist} tags that qualify"


def auto_size(df: RankedCounts, uses: int, auto: AutoSize, kept: int = 0) -> tuple[int, str]:
    """Return where growth stops for want of gain, in rank order, and why, in words.

    A tag's gain is df / uses. It is averaged over the `SMOOTHING_TAGS` tags from it on, and growth
    ends before the first tag where that is below `auto.gain`; the best tag and those that are kept
    are in, whatever their df. Tags in fewer than `auto.positives` captions are not among these.
    """
    idle = np.flatnonzero(_smooth(df) / max(uses, 1) < auto.gain)
    size = int(max(idle[0], kept, 1)) if len(idle) else len(df)
    if size == len(df):
        return (
            size,
            f"{size}: all tags that are in at least auto.positives = {auto.positives} captions",
        )
    ahead = min(SMOOTHING_TAGS, len(df) - size)
    return size, (
        f"{size}: the next {ahead} tags cover {_smooth(df[size:])[0] / max(uses, 1):.2g} of all "
        f"uses each, less than auto.gain = {auto.gain:.2g}"
    )


def curve_sizes(exist: int, sizes: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Return the sizes at which growth is told: in about logarithmic steps up to all tags.

    Args:
        exist: the tags there are.
        sizes: further sizes that the curve must have; those beyond the tags are left out.
    """
    if exist == 0:
        return ()
    steps = np.geomspace(1, exist, CURVE_POINTS).round().astype(int).tolist()
    return tuple(sorted({*steps, *(size for size in sizes if 1 <= size <= exist)}))


def growth_curve(
    df: RankedCounts,
    points: tuple[int, ...],
    reached: Int64[np.ndarray, " points"],
    captions: int,
    uses: int,
) -> tuple[CurvePoint, ...]:
    """Return what growing vocabularies have.

    Args:
        df: captions that hold each tag, best tag first.
        points: the sizes to tell of.
        reached: how many captions hold a tag of each of these vocabularies.
        captions: all captions, also those without a tag.
        uses: (caption, tag) pairs of all tags, also of those that do not qualify.
    """
    rarest = np.minimum.accumulate(df)
    used = np.cumsum(df)
    return tuple(
        CurvePoint(
            size=size,
            positives=int(rarest[size - 1]),
            clips=clips / max(captions, 1),
            uses=int(used[size - 1]) / max(uses, 1),
            tags_a_clip=int(used[size - 1]) / max(clips, 1),
        )
        for size, clips in zip(points, reached.tolist(), strict=True)
    )


def _smooth(df: RankedCounts) -> Float64[np.ndarray, " ranks"]:
    """Return the mean df of the `SMOOTHING_TAGS` tags from each on, of fewer at the end."""
    ends = np.minimum(np.arange(len(df)) + SMOOTHING_TAGS, len(df))
    total = np.concatenate([[0], np.cumsum(df)])
    return (total[ends] - total[: len(df)]) / (ends - np.arange(len(df)))
