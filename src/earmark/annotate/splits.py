"""Assign clips to train, validation and test so that nothing is shared between splits.

Clips that share content, a recording or a speaker form a group (union-find), and a group goes to
one split. Groups are placed one after the other, large ones and those of rare labels first, each
where it is needed most: iterative stratification (Sechidis, Tsoumakas and Vlahavas, "On the
stratification of multi-label data", 2011) with groups in place of single examples, and Pearson's
chi-square against the requested shares as the measure of need.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from earmark.config import ConfigError, fingerprint, suggest
from earmark.records import SPLITS, Clip, Example, Labels

GroupField = Literal["recording", "speaker"]
"""What clips may share besides their content, which the windows of a file share as well."""


class SplitLeak(msgspec.Struct, frozen=True):
    """The hash of a file (`field` is "id"), a recording or speaker in more than one split."""

    field: str
    value: str
    splits: tuple[str, ...]


def find_split_leaks(
    examples: Iterable[Example], group_by: Sequence[GroupField]
) -> list[SplitLeak]:
    """Return what is in more than one split: content always, and each field of `group_by`."""
    sides: dict[tuple[str, str], set[str]] = defaultdict(set)
    for example in examples:
        for tie in _group_keys(example, group_by):
            sides[tie].add(example.split)
    crossing = sorted((tie, sorted(splits)) for tie, splits in sides.items() if len(splits) > 1)
    return [SplitLeak(field, value, tuple(splits)) for (field, value), splits in crossing]


def group_clips(clips: Sequence[Clip], group_by: Sequence[GroupField]) -> list[list[Clip]]:
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
        for tie in _group_keys(clip, group_by):
            parents[root(position)] = root(first.setdefault(tie, position))
    members: dict[int, list[Clip]] = defaultdict(list)
    for position, clip in enumerate(clips):
        members[root(position)].append(clip)
    groups = [sorted(group, key=lambda clip: clip.id) for group in members.values()]
    return sorted(groups, key=lambda group: group[0].id)


def _group_keys(row: Clip | Example, group_by: Sequence[GroupField]) -> list[tuple[str, str]]:
    named = {"recording": row.recording, "speaker": row.speaker}
    ties = [(field, value) for field in group_by if (value := named[field]) is not None]
    return [("id", row.parent or row.id), *ties]


MIN_GROUPS = 3
"""A label value in fewer groups cannot be in every split, and is left out of the balance."""

Stratum = tuple[str, str]
"""A label field and value, or `ALL_CLIPS`."""

ALL_CLIPS: Stratum = ("", "")


class SplitAssignment(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome: the split of each clip id, and what had to be decided on the way.

    `groups` counts the groups of tied clips, `conflicts` those that the corpus had torn over
    several splits, `moved` the clips which these cost the split they came with. `carved` counts
    clips of train that became validation, for want of any other.
    """

    splits: Mapping[str, str]
    groups: int
    conflicts: int
    moved: int
    carved: int


def assign_splits(
    clips: Sequence[Clip],
    shares: Mapping[str, float],
    *,
    group_by: Sequence[GroupField],
    stratify_by: Sequence[str] | None,
    seed: int,
) -> SplitAssignment:
    """Give each clip its split; the order of `clips` has no influence.

    A split that the corpus gives is kept, unless the clip is tied to one further held out: then
    the whole group goes there. Where the corpus gives train but no validation at all, validation
    is carved out of train.

    Args:
        clips: what to deal.
        shares: the wanted share of each split, positive and 1 in sum; one may be missing.
        group_by: what else than content ties clips together.
        stratify_by: the label fields whose values are spread as evenly as can be; None for all.
        seed: decides between groups that are alike.

    Raises:
        ConfigError: a clip comes with an unknown split, or no clip has a field of `stratify_by`.
    """
    check_strata(stratify_by or (), [clip.labels for clip in clips])
    _check_given(clips)
    groups = group_clips(clips, group_by)
    given = {clip.split for clip in clips}
    carve = "validation" in shares and "train" in given and "validation" not in given
    balance = _SplitBalance(groups, shares, stratify_by)
    splits: dict[str, str] = {}
    for group in _placement_order(groups, balance, seed):
        chosen = balance.place(group, _allowed_splits(group, shares, carve=carve))
        splits.update((clip.id, chosen) for clip in group)
    torn = [group for group in groups if len({clip.split for clip in group} - {None}) > 1]
    moved = sum(_split_changed(clip, splits) for group in torn for clip in group)
    changed = sum(_split_changed(clip, splits) for clip in clips)
    return SplitAssignment(
        splits=splits,
        groups=len(groups),
        conflicts=len(torn),
        moved=moved,
        carved=changed - moved,
    )


def check_strata(stratify_by: Sequence[str], labels: Iterable[Labels]) -> None:
    """Check that some clip has each label field by which splits are balanced. Raises ConfigError.

    Args:
        stratify_by: of the manifest.
        labels: of the clips, each set at least once.
    """
    fields = {field for row in labels for field in row} if stratify_by else ()
    for field in stratify_by:
        if field not in fields:
            raise ConfigError(
                f"manifest.stratify_by names {field!r}, which no clip is labelled with."
                f"{suggest(field, fields)}"
            )


def _check_given(clips: Sequence[Clip]) -> None:
    for clip in clips:
        if clip.split is not None and clip.split not in SPLITS:
            raise ConfigError(
                f"the corpus puts {clip.name} into a split {clip.split!r}."
                f"{suggest(clip.split, SPLITS)}"
            )


def _split_changed(clip: Clip, splits: Mapping[str, str]) -> bool:
    return clip.split is not None and clip.split != splits[clip.id]


def _allowed_splits(
    group: Sequence[Clip], shares: Mapping[str, float], *, carve: bool
) -> list[str]:
    """Return the splits a group may go to: the most held out of those given, or any."""
    given = [SPLITS.index(clip.split) for clip in group if clip.split is not None]
    if not given:
        return list(shares)
    held_out = SPLITS[max(given)]
    return ["train", "validation"] if carve and held_out == "train" else [held_out]


def _placement_order(
    groups: Sequence[list[Clip]], balance: _SplitBalance, seed: int
) -> list[list[Clip]]:
    """Return groups as they are placed: given ones, then large, then rare, then by seeded hash."""

    def key(group: list[Clip]) -> tuple[bool, int, int, str]:
        free = all(clip.split is None for clip in group)
        return free, -len(group), balance.rarity(group), fingerprint(seed, group[0].id)

    return sorted(groups, key=key)


class _SplitBalance:
    """How many clips of each stratum (all clips; each label value) are in each split so far."""

    def __init__(
        self,
        groups: Sequence[Sequence[Clip]],
        shares: Mapping[str, float],
        stratify_by: Sequence[str] | None,
    ) -> None:
        self._stratify_by = stratify_by
        self._shares = shares
        self._placed: Counter[tuple[Stratum, str]] = Counter()
        self._total: Counter[Stratum] = Counter()
        spread: Counter[Stratum] = Counter()
        for group in groups:
            strata = self._all_strata(group)
            self._total.update(strata)
            spread.update(strata.keys())
        self._ignored = {s for s, n in spread.items() if n < MIN_GROUPS and s != ALL_CLIPS}

    def rarity(self, group: Sequence[Clip]) -> int:
        """Return how many clips the rarest stratum of a group has."""
        return min(self._total[stratum] for stratum in self._strata(group))

    def place(self, group: Sequence[Clip], allowed: Sequence[str]) -> str:
        """Choose the split of `allowed` that a group is most wanted in, and count it there."""
        strata = self._strata(group)
        chosen = allowed[0]
        if len(allowed) > 1:
            chosen = min(allowed, key=lambda split: self._cost(strata, split))
        for stratum, number in strata.items():
            self._placed[stratum, chosen] += number
        return chosen

    def _cost(self, strata: Mapping[Stratum, int], split: str) -> float:
        """Return by how much chi-square grows: the sum of ((o + a - e)^2 - (o - e)^2) / e."""
        cost = 0.0
        for stratum, added in strata.items():
            expected = self._shares[split] * self._total[stratum]
            excess = self._placed[stratum, split] - expected
            cost += added * (2 * excess + added) / expected
        return cost

    def _strata(self, group: Sequence[Clip]) -> dict[Stratum, int]:
        counted = self._all_strata(group)
        return {stratum: n for stratum, n in counted.items() if stratum not in self._ignored}

    def _all_strata(self, group: Sequence[Clip]) -> Counter[Stratum]:
        """Count the clips of a group in each stratum."""
        strata: Counter[Stratum] = Counter({ALL_CLIPS: len(group)})
        for clip in group:
            fields = clip.labels if self._stratify_by is None else self._stratify_by
            strata.update((field, v) for field in fields for v in clip.labels.get(field, ()))
        return strata
