"""Which clips belong together: ties by content, recording and speaker, and what crosses splits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec

from earmark.records import Clip, Example

Tie = Literal["recording", "speaker"]
"""What clips may share besides their content, which the windows of a file share as well."""


class Leak(msgspec.Struct, frozen=True):
    """The hash of a file (`field` is "id"), a recording or speaker in more than one split."""

    field: str
    value: str
    splits: tuple[str, ...]


def find_leaks(examples: Iterable[Example], keep_apart: Sequence[Tie]) -> list[Leak]:
    """Return what is in more than one split: content always, and each field of `keep_apart`."""
    sides: dict[tuple[str, str], set[str]] = defaultdict(set)
    for example in examples:
        for tie in _ties(example, keep_apart):
            sides[tie].add(example.split)
    crossing = sorted((tie, sorted(splits)) for tie, splits in sides.items() if len(splits) > 1)
    return [Leak(field, value, tuple(splits)) for (field, value), splits in crossing]


def groups_of(clips: Sequence[Clip], keep_apart: Sequence[Tie]) -> list[list[Clip]]:
    """Return the groups of clips that are tied, directly or through others (union-find).

    Groups, and the clips in each, are in order of id, whatever the order of `clips`.
    """
    parents = list(range(len(clips)))

    def root(position: int) -> int:
        while parents[position] != position:
            parents[position] = parents[parents[position]]
            position = parents[position]
        return position

    first: dict[tuple[str, str], int] = {}
    for position, clip in enumerate(clips):
        for tie in _ties(clip, keep_apart):
            parents[root(position)] = root(first.setdefault(tie, position))
    members: dict[int, list[Clip]] = defaultdict(list)
    for position, clip in enumerate(clips):
        members[root(position)].append(clip)
    groups = [sorted(group, key=lambda clip: clip.id) for group in members.values()]
    return sorted(groups, key=lambda group: group[0].id)


def _ties(row: Clip | Example, keep_apart: Sequence[Tie]) -> list[tuple[str, str]]:
    named = {"recording": row.recording, "speaker": row.speaker}
    ties = [(field, value) for field in keep_apart if (value := named[field]) is not None]
    return [("id", row.parent or row.id), *ties]
