"""Dealing clips to splits."""

from __future__ import annotations

import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from earmark.annotate.segment import Window, clip_from_window
from earmark.annotate.splits import (
    SplitAssignment,
    SplitLeak,
    assign_splits,
    find_split_leaks,
    group_clips,
)
from earmark.config import ConfigError
from earmark.records import SPLITS, Clip, Example, Labels
from factories import new_clip, new_example

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
RANK = {split: rank for rank, split in enumerate(SPLITS)}


def make_clip(
    number: int,
    *,
    recording: str | None = None,
    speaker: str | None = None,
    split: str | None = None,
    labels: Labels | None = None,
) -> Clip:
    return new_clip(
        id=f"{number:032x}",
        path=f"{number}.wav",
        name=f"{number}.wav",
        labels=labels or {},
        recording=recording,
        speaker=speaker,
        split=split,
    )


def make_example(number: int, split: str, recording: str | None, speaker: str | None) -> Example:
    return new_example(
        id=f"{number:032x}",
        split=split,
        recording=recording,
        speaker=speaker,
        tags=("a",),
        tag_ids=(0,),
    )


def deal_all(
    clips: list[Clip], *, seed: int = 0, stratify_by: tuple[str, ...] | None = None
) -> SplitAssignment:
    return assign_splits(
        clips, SHARES, group_by=("recording", "speaker"), stratify_by=stratify_by, seed=seed
    )


def shares_of(dealt: SplitAssignment) -> dict[str, float]:
    counts = Counter(dealt.splits.values())
    return {split: counts[split] / len(dealt.splits) for split in SPLITS}


NAMES = st.none() | st.sampled_from("abcde")
CLIPS = st.lists(st.tuples(NAMES, NAMES, st.none() | st.sampled_from(SPLITS)), max_size=25).map(
    lambda rows: [
        make_clip(number, recording=recording, speaker=speaker, split=split)
        for number, (recording, speaker, split) in enumerate(rows)
    ]
)


@given(CLIPS, st.integers(0, 3))
def test_nothing_crosses_splits(clips: list[Clip], seed: int) -> None:
    splits = deal_all(clips, seed=seed).splits
    assert set(splits) == {clip.id for clip in clips}
    for field in ("recording", "speaker"):
        sides: dict[str, set[str]] = defaultdict(set)
        for clip in clips:
            if (value := getattr(clip, field)) is not None:
                sides[value].add(splits[clip.id])
        assert all(len(side) == 1 for side in sides.values())


@given(CLIPS, st.integers(0, 3), st.randoms(use_true_random=False))
def test_order_has_no_influence(clips: list[Clip], seed: int, chance: random.Random) -> None:
    shuffled = chance.sample(clips, len(clips))
    assert deal_all(shuffled, seed=seed) == deal_all(clips, seed=seed)


@given(CLIPS)
def test_no_clip_moves_to_where_more_is_seen_of_it(clips: list[Clip]) -> None:
    splits = deal_all(clips).splits
    for clip in clips:
        if clip.split is not None:
            assert RANK[splits[clip.id]] >= RANK[clip.split]


def test_ties_reach_through_others() -> None:
    clips = [
        make_clip(0, recording="r"),
        make_clip(1, recording="r", speaker="s"),
        make_clip(2, speaker="s"),
        make_clip(3, recording="s"),  # a recording that is called like a speaker is no tie
        make_clip(4),
    ]
    assert [len(g) for g in group_clips(clips, ("recording", "speaker"))] == [3, 1, 1]
    assert [len(g) for g in group_clips(clips, ("speaker",))] == [1, 2, 1, 1]
    assert [len(g) for g in group_clips(clips, ())] == [1] * 5


def test_equal_content_is_a_tie() -> None:
    assert [len(g) for g in group_clips([make_clip(0), make_clip(1), make_clip(0)], ())] == [2, 1]


def windows_of(whole: Clip, count: int) -> list[Clip]:
    places = [Window(start=n, samples=1, peak_dbfs=0, loudness_lufs=0) for n in range(count)]
    return [clip_from_window(whole, place) for place in places]


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20), st.integers(0, 3))
def test_windows_of_a_file_always_stay_together(sizes: list[int], seed: int) -> None:
    files = [windows_of(make_clip(number), size) for number, size in enumerate(sizes)]
    clips = [clip for windows in files for clip in windows]
    dealt = assign_splits(clips, SHARES, group_by=(), stratify_by=None, seed=seed)
    assert dealt.groups == len(files)
    for windows in files:
        assert len({dealt.splits[clip.id] for clip in windows}) == 1


def test_a_file_and_its_windows_are_one_content() -> None:
    whole = make_clip(0)
    (group,) = group_clips([*windows_of(whole, 2), whole], ())
    assert len(group) == 3


@pytest.mark.parametrize("seed", range(5))
def test_forty_speakers_come_near_the_shares(seed: int) -> None:
    chance = random.Random(seed)
    clips = [
        make_clip(100 * speaker + take, speaker=str(speaker))
        for speaker in range(40)
        for take in range(chance.randint(5, 60))
    ]
    shares = shares_of(deal_all(clips, seed=seed))
    assert shares == pytest.approx(SHARES, abs=0.02)


def test_domains_each_get_their_shares() -> None:
    sizes = {"speech": (20, 20), "music": (300, 1), "sound": (10, 7)}  # groups, clips in each
    clips: list[Clip] = []
    for domain, (groups, takes) in sizes.items():
        for group in range(groups):
            for _ in range(takes):
                labels = {"domain": (domain,)}
                clips.append(make_clip(len(clips), recording=f"{domain} {group}", labels=labels))
    dealt = deal_all(clips, stratify_by=("domain",))
    for domain in sizes:
        own = Counter(dealt.splits[c.id] for c in clips if c.labels["domain"] == (domain,))
        found = {split: own[split] / own.total() for split in SPLITS}
        assert found == pytest.approx(SHARES, abs=0.02)


def test_rare_labels_reach_train_and_test() -> None:
    clips = [make_clip(n, labels={"kind": (str(n // 7),), "one": (str(n),)}) for n in range(420)]
    dealt = deal_all(clips)
    sides: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        sides[clip.labels["kind"][0]].add(dealt.splits[clip.id])
    assert all({"train", "test"} <= side for side in sides.values())
    assert shares_of(dealt) == pytest.approx(SHARES, abs=0.03)


def test_seed_decides() -> None:
    clips = [make_clip(number) for number in range(100)]
    assert deal_all(clips, seed=0) == deal_all(clips, seed=0)
    assert deal_all(clips, seed=0).splits != deal_all(clips, seed=1).splits


def test_given_splits_are_kept() -> None:
    clips = [make_clip(n, split=SPLITS[n % 3]) for n in range(30)]
    dealt = deal_all(clips)
    assert dealt.splits == {clip.id: clip.split for clip in clips}
    assert (dealt.conflicts, dealt.moved, dealt.carved) == (0, 0, 0)


def test_what_is_given_counts_for_the_shares() -> None:
    clips = [make_clip(n, split="test" if n < 200 else None) for n in range(1000)]
    assert shares_of(deal_all(clips)) == pytest.approx(SHARES, abs=0.002)


def test_conflicts_go_where_least_is_seen() -> None:
    clips = [
        make_clip(0, speaker="s", split="train"),
        make_clip(1, speaker="s", split="test"),
        make_clip(2, speaker="s"),
        make_clip(3, recording="r", split="train"),
        make_clip(4, recording="r", split="validation"),
        make_clip(5, split="train"),
    ]
    dealt = deal_all(clips)
    expected = ["test", "test", "test", "validation", "validation", "train"]
    assert [dealt.splits[clip.id] for clip in clips] == expected
    assert (dealt.groups, dealt.conflicts, dealt.moved, dealt.carved) == (3, 2, 2, 0)


def test_validation_is_carved_from_train_where_none_is_given() -> None:
    clips = [make_clip(n, split="test" if n % 5 == 0 else "train") for n in range(500)]
    dealt = deal_all(clips)
    assert shares_of(dealt) == pytest.approx(SHARES, abs=0.002)
    assert all(dealt.splits[c.id] == "test" for c in clips if c.split == "test")
    assert (dealt.moved, dealt.carved) == (0, 50)


def test_a_share_of_nothing() -> None:
    clips = [make_clip(number) for number in range(20)]
    dealt = assign_splits(clips, {"train": 0.8, "test": 0.2}, group_by=(), stratify_by=None, seed=0)
    assert Counter(dealt.splits.values()) == {"train": 16, "test": 4}


def test_unknown_split_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"split 'valid'\. Did you mean 'validation'\?"):
        deal_all([make_clip(0, split="valid")])


def test_unknown_label_field_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"'domains'.*Did you mean 'domain'\?"):
        deal_all([make_clip(0, labels={"domain": ("music",)})], stratify_by=("domains",))


def test_leaks_are_found() -> None:
    examples = [
        make_example(0, "train", "r", "s"),
        make_example(1, "test", "r", "t"),
        make_example(2, "validation", None, "s"),
        make_example(3, "train", "q", None),
        make_example(3, "test", None, None),
    ]
    assert find_split_leaks(examples, ("recording", "speaker")) == [
        SplitLeak("id", f"{3:032x}", ("test", "train")),
        SplitLeak("recording", "r", ("test", "train")),
        SplitLeak("speaker", "s", ("train", "validation")),
    ]
    assert [leak.field for leak in find_split_leaks(examples, ("speaker",))] == ["id", "speaker"]
    assert find_split_leaks(examples[:1] + examples[3:4], ("recording", "speaker")) == []


def test_windows_of_a_file_on_two_sides_are_a_leak() -> None:
    first, second = (make_example(number, "train", None, None) for number in (1, 2))
    torn = [replace(first, parent="f"), replace(second, parent="f", split="test")]
    assert find_split_leaks(torn, ()) == [SplitLeak("id", "f", ("test", "train"))]
