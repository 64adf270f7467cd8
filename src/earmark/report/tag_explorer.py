"""The tag explorer: which tags occur together, and clips to listen to.

It goes into the page as JSON, in the order of the list of tags; the script does the rest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from earmark.records import Clip, Example, audio_span
from earmark.report.run import RunData
from earmark.report.samples import encode_audio, pick_clips

MAX_NEAREST = 8
MIN_SHARED = 2
"""Tags that share fewer clips count as met by chance."""
MAX_CLIPS_PER_TAG = 3
"""Clips to hear of a tag, at most."""
MAX_FURTHER_CLIPS = 24
AUDIO_BUDGET_BYTES = 2_000_000
"""What the audio of the explorer's further clips may weigh on the page, base64 included."""
MAX_CANDIDATES = 2000
"""Clips that further ones are chosen from; the manifest of a large corpus has too many to try."""
MAX_COUNTED_CLIPS = 100_000
"""Clips over which tags are counted together, at most: a cosine of so many is exact enough."""

NearestTags = tuple[tuple[int, float], ...]
"""(place in the list, cosine) of the nearest tags."""


class ExplorerClip(msgspec.Struct, frozen=True):
    """A clip to hear: `card` is its card on the page, else `sound` is a data URI of its own."""

    name: str
    card: str = ""
    sound: str = ""


class TagExplorer(msgspec.Struct, frozen=True):
    """Per tag of the list its nearest tags and its clips (places in `clips`).

    Nearness was counted over `counted` clips of all `of`.
    """

    near: tuple[NearestTags, ...]
    heard: tuple[tuple[int, ...], ...]
    clips: tuple[ExplorerClip, ...]
    counted: int
    of: int


def build_tag_explorer(found: RunData, tags: Sequence[str]) -> TagExplorer:
    """Return what the explorer shows of `tags`; without a manifest that is nothing."""
    examples = found.rows("manifest", "manifest.parquet", Example)
    clips, tags_of = _explorer_clips(found, examples, tags)
    heard = {tag: list[int]() for tag in tags}
    for place, own in enumerate(tags_of):
        for tag in own:
            if tag in heard and len(heard[tag]) < MAX_CLIPS_PER_TAG:
                heard[tag].append(place)
    counted = subsample([example.tags for example in examples], MAX_COUNTED_CLIPS)
    return TagExplorer(
        nearest_tags(tags, counted),
        tuple(tuple(heard[tag]) for tag in tags),
        tuple(clips),
        len(counted),
        len(examples),
    )


def subsample(held: Sequence[Sequence[str]], most: int) -> Sequence[Sequence[str]]:
    """Return every n-th clip, the first included, with the least n that leaves `most` or fewer."""
    return held[:: max(1, math.ceil(len(held) / most))]


def nearest_tags(tags: Sequence[str], held: Sequence[Sequence[str]]) -> tuple[NearestTags, ...]:
    """Return for each of `tags` those that occur in the same clips, nearest first.

    Nearness is the cosine of the vectors of clips: shared / sqrt(own clips * other's clips), from
    0 to 1. Equally near ones stand in the order of `tags`.

    Args:
        tags: the tags.
        held: the tags of each clip.
    """
    together = _cooccurrence(tags, held)
    clips = together.diagonal()
    found: list[NearestTags] = []
    for place in range(len(tags)):
        ends = slice(together.indptr[place], together.indptr[place + 1])
        others, counts = together.indices[ends], together.data[ends]
        kept = (others != place) & (counts >= MIN_SHARED)
        others, counts = others[kept], counts[kept]
        cosines = counts / np.sqrt(clips[place] * clips[others])
        best = np.lexsort((others, -cosines))[:MAX_NEAREST]
        found.append(tuple((int(others[i]), round(float(cosines[i]), 2)) for i in best))
    return tuple(found)


def _cooccurrence(tags: Sequence[str], held: Sequence[Sequence[str]]) -> Any:
    """Return in how many clips each two tags are: a sparse (tags, tags) matrix, rows in order."""
    from scipy.sparse import csr_array

    places = {tag: place for place, tag in enumerate(tags)}
    columns = [[places[tag] for tag in own if tag in places] for own in held]
    ends = np.cumsum([0, *map(len, columns)])
    flat = np.fromiter(chain.from_iterable(columns), dtype=np.int64, count=int(ends[-1]))
    shape = (len(held), len(tags))
    has = csr_array((np.ones(len(flat), dtype=np.int64), flat, ends), shape=shape)
    has.sum_duplicates()
    has.data[:] = 1  # a tag that a clip has twice is one tag
    together = (has.T @ has).tocsr()
    together.sort_indices()
    return together


def choose_clips(
    tags_of: Mapping[str, Sequence[str]], heard: Mapping[str, int], count: int
) -> list[str]:
    """Choose clips that together let most tags be heard.

    Each next clip is the one with the most tags of which fewer than `MAX_CLIPS_PER_TAG` clips are
    heard, a tag of which none is counting twice; of equals the first by id.

    Args:
        tags_of: the tags of each candidate, by id.
        heard: how many clips of a tag are heard already.
        count: of clips to choose, at most.
    """
    heard_now = dict(heard)
    left = dict(sorted(tags_of.items()))
    chosen: list[str] = []

    def worth(identity: str) -> int:
        times = [heard_now.get(tag, 0) for tag in left[identity]]
        return sum(2 if time == 0 else 1 for time in times if time < MAX_CLIPS_PER_TAG)

    while left and len(chosen) < count:
        best = max(left, key=worth)
        if worth(best) == 0:
            break
        chosen.append(best)
        for tag in left.pop(best):
            heard_now[tag] = heard_now.get(tag, 0) + 1
    return chosen


def _explorer_clips(
    found: RunData, examples: Sequence[Example], tags: Sequence[str]
) -> tuple[list[ExplorerClip], list[tuple[str, ...]]]:
    """Return the clips to hear, those of the page's cards first, and the tags of each."""
    listed = set(tags)
    by_id = {example.id: example for example in examples}
    shown = pick_clips(found)
    clips = [ExplorerClip(clip.name, card=f"clip-{at}") for at, clip in enumerate(shown, start=1)]
    tags_of = [by_id[clip.id].tags if clip.id in by_id else () for clip in shown]
    counts = dict[str, int]()
    for own in tags_of:
        for tag in own:
            counts[tag] = counts.get(tag, 0) + 1
    taken = {clip.id for clip in shown}
    rest = sorted((e for e in examples if e.id not in taken), key=lambda e: e.id)[:MAX_CANDIDATES]
    wanted = {e.id: tuple(set(e.tags) & listed) for e in rest}
    for identity, sound in _within_budget(found, choose_clips(wanted, counts, MAX_FURTHER_CLIPS)):
        clips.append(ExplorerClip(by_id[identity].name, sound=sound))
        tags_of.append(by_id[identity].tags)
    return clips, tags_of


def _within_budget(found: RunData, chosen: Sequence[str]) -> list[tuple[str, str]]:
    """Return (id, data URI) of the clips that can be read, as far as the budget reaches."""
    spans = {clip.id: audio_span(clip) for clip in found.rows("scan", "clips.parquet", Clip)}
    left = AUDIO_BUDGET_BYTES
    sounds: list[tuple[str, str]] = []
    for identity in chosen:
        sound = encode_audio(spans[identity])[0] if identity in spans else None
        if sound and len(sound) <= left:
            left -= len(sound)
            sounds.append((identity, sound))
    return sounds
