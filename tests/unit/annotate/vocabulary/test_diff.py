"""What a new vocabulary changes, in tags and in clips."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from earmark.annotate.vocabulary.config import VocabularyConfig
from earmark.annotate.vocabulary.diff import (
    MAX_LISTED,
    ClipChanges,
    MovedTag,
    RankedTag,
    TagMerge,
    TagSplit,
    diff_vocabularies,
)
from earmark.annotate.vocabulary.lockfile import VocabularyEntry
from earmark.annotate.vocabulary.vocabulary import Vocabulary

TAGS = st.lists(st.sampled_from("abcdefghij"), unique=True, min_size=1)


def of(*tags: str, **aliases: Sequence[str]) -> Vocabulary:
    """Return a vocabulary of tags in that order, and of what else was written for some."""
    entries = tuple(
        VocabularyEntry(
            rank=rank,
            tag=tag,
            df=9,
            score=1.0,
            domain="sound",
            aliases=dict.fromkeys(aliases.get(tag, ()), 3),
        )
        for rank, tag in enumerate(tags, start=1)
    )
    return Vocabulary(entries, 100, VocabularyConfig(normalize="none"))


OLD = of("speech", "car", "automobile", "drum", "hifi", "zither", drum=["drums"])
NEW = of(
    "rain", "car", "speech", "drum", "drums", "high-fidelity",
    car=["automobile"], **{"high-fidelity": ["hifi"]},
)  # fmt: skip


def test_every_kind_of_change() -> None:
    found = diff_vocabularies(OLD, NEW)
    assert (found.old_size, found.new_size, found.same) == (6, 6, 3)
    assert found.added == (RankedTag("rain", 1),)
    assert found.removed == (RankedTag("zither", 6),)
    assert found.renamed == (TagMerge(("hifi",), "high-fidelity"),)
    assert found.merged == (TagMerge(("automobile",), "car"),)
    assert found.split == (TagSplit("drum", "drums"),)
    assert found.moved == (MovedTag("speech", 1, 3),)
    assert found.clips is None


def test_two_tags_that_became_a_new_one_are_merged() -> None:
    found = diff_vocabularies(of("car", "auto"), of("vehicle", vehicle=["car", "auto"]))
    assert found.merged == (TagMerge(("car", "auto"), "vehicle"),)
    assert not found.renamed
    assert not found.added
    assert not found.removed


def test_the_greatest_move_comes_first() -> None:
    found = diff_vocabularies(of("a", "b", "c", "d"), of("b", "d", "a", "c"))
    assert [(item.tag, item.old, item.new) for item in found.moved] == [
        ("d", 4, 2),
        ("a", 1, 3),
        ("b", 2, 1),
        ("c", 3, 4),
    ]


def test_clips_that_change() -> None:
    clips = [
        ("same", ["speech", "car"]),
        ("gains", ["speech", "rain"]),
        ("gets its first", ["rain"]),
        ("loses", ["zither", "speech"]),
        ("is left without", ["zither"]),
        ("under another name", ["hifi"]),
        ("two are one now", ["car", "automobile"]),
        ("splits", ["drums"]),
        ("has none", ["gong"]),
    ]
    assert diff_vocabularies(OLD, NEW, clips).clips == ClipChanges(
        clips=9, changed=7, gained=3, lost=3, emptied=1, filled=1
    )


def test_the_text() -> None:
    assert str(diff_vocabularies(OLD, NEW, [("1", ["zither"]), ("2", ["car"])])).splitlines() == [
        "6 -> 6 tags: 3 in both, 1 added, 1 removed, 1 renamed, 1 merged, 1 split, 1 moved",
        "added (1):",
        "  rain (rank 1)",
        "removed (1):",
        "  zither (rank 6)",
        "renamed (1):",
        "  hifi -> high-fidelity",
        "merged (1):",
        "  automobile -> car",
        "split (1):",
        "  drums (was drum)",
        "moved (1):",
        "  speech: rank 1 to 3",
        "1 of 2 clips change their tags (50.0%): 0 gain one or more, 1 lose one or more, "
        "1 are left without any, 0 get their first",
    ]


def test_the_text_is_short_and_counts_the_rest() -> None:
    lines = str(diff_vocabularies(of("a"), of("a", *map(str, range(40))))).splitlines()
    assert len(lines) == MAX_LISTED + 3
    assert lines[-1] == f"  and {40 - MAX_LISTED} more"


def test_lists_of_labels_are_compared_in_their_variants() -> None:
    old = Vocabulary.from_labels(["Rain", "high_fidelity"])
    new = Vocabulary.from_labels(["high-fidelity", "wind", "rain"])
    found = diff_vocabularies(old, new)
    assert found.renamed == (
        TagMerge(("high_fidelity",), "high-fidelity"),
        TagMerge(("Rain",), "rain"),
    )
    assert found.added == (RankedTag("wind", 2),)


@given(TAGS, TAGS, st.lists(st.lists(st.sampled_from("abcdefghij"), max_size=4), max_size=10))
def test_counts_add_up(old: list[str], new: list[str], clips: list[list[str]]) -> None:
    found = diff_vocabularies(of(*old), of(*new), [("", tags) for tags in clips])
    assert found.same + len(found.removed) == len(old)
    assert found.same + len(found.added) == len(new)
    changed = [set(tags) & set(old) != set(tags) & set(new) for tags in clips]
    assert found.clips is not None
    assert found.clips.changed == sum(changed)
    assert found.clips.emptied <= found.clips.lost <= found.clips.changed


@given(TAGS)
def test_nothing_differs_from_itself(tags: list[str]) -> None:
    found = diff_vocabularies(of(*tags), of(*tags), [("", tags)])
    assert str(found).startswith(f"{len(tags)} -> {len(tags)} tags: {len(tags)} in both, 0 added")
    assert len(str(found).splitlines()) == 2
