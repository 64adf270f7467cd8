"""Whatever people decide, a lock file names each tag as the build counted it."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from earmark.annotate.vocabulary import Vocabulary, VocabularyConfig
from earmark.annotate.vocabulary.build import build_from_corpus
from earmark.annotate.vocabulary.counting.corpus import TagCorpus
from earmark.annotate.vocabulary.normalize.steps import NORMALIZER_STEPS, NormalizerStep
from earmark.annotate.vocabulary.result import BuildResult
from earmark.config import ConfigError
from factories import MAX_HEAVY_EXAMPLES

NAMES = ("hip hop", "trap", "rap", "drum", "high fidelity", "rain", "brook")
SPELLINGS = (
    str,
    str.upper,
    str.title,
    lambda name: name.replace(" ", "-"),
    lambda name: name.replace(" ", "_"),
    lambda name: f"{name}!",
    lambda name: f"{name}s",
    lambda name: name.replace(" ", ""),
)
SURFACE = SPELLINGS[:-2]
"""Spellings that need no corpus to be told for the same."""

names = st.sampled_from(NAMES)
spelled = st.builds(lambda spell, name: spell(name), st.sampled_from(SPELLINGS), names)
corpora = st.lists(st.lists(spelled, max_size=5), min_size=1, max_size=12).filter(any)
pairs = st.dictionaries(spelled, spelled, max_size=3)
FEW = settings(max_examples=MAX_HEAVY_EXAMPLES, suppress_health_check=list(HealthCheck))


def toml(merge: dict[str, str], rename: dict[str, str], ban: Sequence[str]) -> str:
    def table(name: str, moved: dict[str, str]) -> str:
        return f"[{name}]\n" + "".join(f'"{tag}" = "{into}"\n' for tag, into in moved.items())

    listed = ", ".join(f'"{tag}"' for tag in ban)
    return f"ban = [{listed}]\n" + table("merge", merge) + table("rename", rename)


def made_of(
    corpus: Sequence[Sequence[str]], decided: str, size: int = 1000, **settings: object
) -> tuple[tuple[str, ...], BuildResult]:
    """Return the terms of a corpus and what is made of it; the vocabulary as a file holds it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "decisions.toml").write_text(decided, "utf-8")
        tags = TagCorpus.of(corpus, folder)
        config = VocabularyConfig(size=size, decisions=str(folder / "decisions.toml"), **settings)
        made = build_from_corpus(tags, config)
        made.largest.save(folder / "vocabulary.json")
        assert Vocabulary.load(folder / "vocabulary.json") == made.largest
        return tags.terms, made


@FEW
@given(
    corpora,
    pairs,
    pairs,
    st.lists(spelled, max_size=1),
    st.sampled_from([1, 2, 1000]),
    st.lists(st.sampled_from(NORMALIZER_STEPS), unique=True),
)
def test_every_term_is_the_class_that_it_was_counted_as(
    corpus: list[list[str]],
    merge: dict[str, str],
    rename: dict[str, str],
    ban: list[str],
    size: int,
    off: list[NormalizerStep],
) -> None:
    steps = tuple(step for step in NORMALIZER_STEPS if step not in off)
    try:
        terms, made = made_of(corpus, toml(merge, rename, ban), size, normalize=steps or "none")
    except ConfigError:
        assume(False)
        raise
    ranks = [None if rank < 0 else rank for rank in made.rank.tolist()]
    assert [made.largest.class_of(term) for term in terms] == ranks


@FEW
@given(corpora, names, names, names, st.sampled_from(SURFACE), st.sampled_from(SURFACE))
@example([["hip-hop", "rap"]], "hip hop", "trap", "rap", str.title, SURFACE[4])
@example([["hiphop"]], "trap", "hip hop", "rap", str, str)
@example([["hiphop"]], "trap", "rap", "hip hop", str, str)
def test_a_chain_is_followed_for_spellings_that_no_caption_has(
    corpus: list[list[str]], first: str, second: str, last: str, decided, unseen
) -> None:
    assume(len({first, second, last}) == 3)
    corpus = [*corpus, [last]]
    _, made = made_of(corpus, toml({decided(first): second, second: decided(last)}, {}, []))
    end = made.largest.class_of(last)
    assert end is not None
    assert {made.largest.class_of(unseen(name)) for name in (first, second, last)} == {end}


@FEW
@given(corpora, names, st.sampled_from(SURFACE), st.sampled_from(SURFACE))
def test_a_ban_holds_for_spellings_that_no_caption_has(
    corpus: list[list[str]], name: str, decided, unseen
) -> None:
    _, made = made_of([*corpus, ["water"]], toml({}, {}, [decided(name)]))
    assert made.largest.class_of(unseen(name)) is None


@pytest.mark.parametrize("asked", ["hip_hop", "Hip Hop", "HIP-HOP", "trap"])
def test_decisions_as_people_spell_them(asked: str) -> None:
    decided = toml({"Hip Hop": "Trap", "trap": "Rap"}, {}, [])
    _, made = made_of([["rap", "drum"]], decided)
    assert made.largest.encode([asked])[0] == ("rap",)
    assert made.largest.decisions.merge == {"hip-hop": "rap", "trap": "rap"}
