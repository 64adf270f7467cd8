"""Propose merges of tags that may mean the same, for people to accept or reject.

A proposal is never applied by itself. Three parts: which two names may mean the same (no opposites,
no siblings, no name beside a narrower one, by `antonyms.toml`); pairs by the similarity of their
sentence embeddings; and the decisions file that proposals are written into, in which everything
that people wrote stays as it is.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

import msgspec
import numpy as np
import tomli_w
from jaxtyping import Float32

from earmark.annotate.sentence_encoder import TAG_TEMPLATE, TextEmbedder
from earmark.annotate.vocabulary.decisions import (
    Decisions,
    Proposal,
    build_decisions,
    parse_decisions,
    read_decisions_text,
)
from earmark.annotate.vocabulary.normalize.inflection import lemmatize_word
from earmark.io import write_text

FILLER_WORDS = frozenset({"music", "sound", "sounding", "audio", "noise"})
"""Words that a name can do without: "jazz music" is jazz, but "acoustic guitar" is one guitar."""

_MIN_STEM = (
    4  # letters that two words of a family share at least, and more than half of the shorter
)

_SUFFIXES = "er|at|it|ion|ing|ed|e|y|ic|al|ive|ant|ance|ent|ence|ity|ness|ous|full?|i|able|s"

_ENDING = re.compile(f"(?:{_SUFFIXES})*")

_AGENT = re.compile(r"(.{3,}?)(\w?)(?:er|or|i(?:st|an)|man|est)s?")


@dataclass(frozen=True)
class _Opposites:
    """`sides` of a word: (group, side) of opposites; `siblings`: the groups that it is in."""

    sides: dict[str, set[tuple[int, int]]]
    siblings: dict[str, set[int]]
    prefixes: tuple[str, ...]
    suffixes: tuple[str, ...]
    words: frozenset[str]
    beginnings: tuple[tuple[str, str], ...]


def unshared_words(one: str, other: str) -> tuple[str, str]:
    """Return what two names do not share, word by word, and without fillers.

    What is shared says nothing of whether two names mean the same: "wide piano", "wide organ".
    """
    bases = [{lemmatize_word(word) for word in name.split("-")} for name in (one, other)]
    shared = bases[0] & bases[1]
    # "ambient music" and "ambient sounds" differ; "jazz music" and "jazz" do not.
    fillers = set[str]() if all((side - shared) & FILLER_WORDS for side in bases) else FILLER_WORDS
    left, right = (
        _drop_words(name, shared | fillers if "-" in name else shared) for name in (one, other)
    )
    return left, right


def may_be_same(one: str, other: str) -> bool:
    """Tell whether nothing known of the words of two names keeps these apart."""
    left, right = unshared_words(one, other)
    if not left or not right:
        return not left and not right
    return not (
        _are_opposite(left.split("-"), right.split("-"))
        or _are_siblings(left.split("-"), right.split("-"))
        or _is_narrower(left, right)
        or _is_narrower(right, left)
    )


def share_stem(one: str, other: str) -> bool:
    """Tell whether two words share a stem: "reverb", "reverberant" and "reverberation"."""
    shared = 0
    for here, there in zip(one, other, strict=False):
        if here != there:
            break
        shared += 1
    if shared < _MIN_STEM or 2 * shared <= min(len(one), len(other)):
        return False
    return all(_ENDING.fullmatch(word[shared:]) is not None for word in (one, other))


def _drop_words(name: str, dropped: Set[str]) -> str:
    return "-".join(word for word in name.split("-") if lemmatize_word(word) not in dropped)


def _are_opposite(left: Iterable[str], right: Iterable[str]) -> bool:
    """Tell whether two lists of words hold an antonym pair, or one denies what the other has."""
    apart = _load_opposites()
    here, there = _word_forms(left), _word_forms(right)
    if apart.words & (here ^ there):
        return True
    sides = [
        {side for word in words for side in apart.sides.get(word, ())} for words in (here, there)
    ]
    if any(a[0] == b[0] and a[1] != b[1] for a in sides[0] for b in sides[1]) and not (
        sides[0] & sides[1]
    ):
        return True
    return any(_negates(a, b) or _negates(b, a) for a in here for b in there)


def _negates(one: str, other: str) -> bool:
    apart = _load_opposites()
    return (
        any(one == prefix + other for prefix in apart.prefixes)
        or any(one == other + suffix for suffix in apart.suffixes)
        or any(
            one.startswith(first) and other == second + one.removeprefix(first)
            for first, second in apart.beginnings
        )
    )


def _are_siblings(left: Iterable[str], right: Iterable[str]) -> bool:
    siblings = _load_opposites().siblings
    here, there = (
        {word: siblings[word] for word in _word_forms(words) if word in siblings}
        for words in (left, right)
    )
    return any(a != b and groups & there[b] for a, groups in here.items() for b in there)


def _is_narrower(one: str, other: str) -> bool:
    """Tell whether `one` is a compound of `other`, a plural kept apart, or who or what does it."""
    if one in (other + "s", other + "es"):
        return True
    if len(one) - len(other) >= 3 and (one.startswith(other) or one.endswith(other)):
        rest = one.removeprefix(other).removesuffix(other)
        return _ENDING.fullmatch(rest) is None
    agent = _AGENT.fullmatch(one)
    return agent is not None and other.startswith(agent[1]) and len(other) - len(agent[1]) <= 4


def _word_forms(words: Iterable[str]) -> set[str]:
    return {form for word in words for form in (word, lemmatize_word(word))}


@lru_cache(maxsize=1)
def _load_opposites() -> _Opposites:
    text = resources.files(__package__ or "").joinpath("antonyms.toml").read_text("utf-8")
    table = tomllib.loads(text)
    sides: dict[str, set[tuple[int, int]]] = {}
    for group, lines in enumerate(table["opposites"]["groups"]):
        for side, line in enumerate(lines):
            for word in line.split():
                sides.setdefault(word, set()).add((group, side))
    siblings: dict[str, set[int]] = {}
    for group, line in enumerate(table["siblings"]["groups"]):
        for word in line.split():
            siblings.setdefault(word, set()).add(group)
    contraries = table["contraries"]
    beginnings = [tuple(pair.split()) for pair in contraries["beginnings"]]
    return _Opposites(
        sides,
        siblings,
        tuple(contraries["prefixes"].split()),
        tuple(contraries["suffixes"].split()),
        frozenset(contraries["words"].split()),
        tuple((one, other) for pair in beginnings for one, other in (pair, pair[::-1])),
    )


MIN_SIMILARITY = 0.82
"""Two names that are at least so similar are proposed. Of 318 proposals among 2,468 names from real
captions (AudioCaps, Clotho, MusicCaps, WavCaps), 50 drawn by chance were read: 40 were right."""

MIN_STEM_SIMILARITY = 0.72
"""Two words of one stem ("reverb", "reverberation") are proposed from here on."""

_BLOCK = 512  # rows of the matrix product that are held at a time

_DECIMALS = 3


def find_proposals(
    frequencies: Mapping[str, int],
    meaning: TextEmbedder,
    decisions: Decisions,
    *,
    normalize: Callable[[str], str] = str.strip,
    similarity: float = MIN_SIMILARITY,
    family_similarity: float = MIN_STEM_SIMILARITY,
) -> tuple[Proposal, ...]:
    """Propose merges among the tags of a vocabulary, the most similar first, then by name.

    A tag is proposed at most once: into the more frequent tag that it is most similar to. Left out
    are opposites and siblings of `antonyms.toml`, a name that narrows the other ("acoustic guitar"
    and "guitar"), and what people decided before. Similarity is the mean of two cosines, of the
    names alone and of "the sound of" them, from -1 to 1; of names that share words it is at most
    that of what they do not share.

    Args:
        frequencies: in how many captions each tag is.
        meaning: turns names into vectors.
        decisions: pairs that people rejected, and tags that they merged or banned, are left out.
        normalize: how a name that a person wrote is spelled among the tags.
        similarity: the least similarity of a proposal.
        family_similarity: the least similarity of two words of one stem.

    Raises:
        ConfigError: two decisions contradict each other once their names are normalized.
    """
    verdicts = decisions.settled(normalize)
    done = {*verdicts.moved, *verdicts.ban}
    rejected = {frozenset(map(normalize, pair)) for pair in decisions.rejected}
    tags = sorted(tag for tag in frequencies if tag not in done)
    found: dict[str, tuple[float, str]] = {}
    for one, other, cosine in _similar_pairs(tags, meaning, similarity, family_similarity):
        if frozenset((one, other)) in rejected:
            continue
        into, tag = sorted((one, other), key=lambda name: (-frequencies[name], name))
        best = found.get(tag)
        if tag not in verdicts.keep and (best is None or (-cosine, into) < (-best[0], best[1])):
            found[tag] = cosine, into
    proposals = [
        Proposal(
            tag=tag,
            into=into,
            similarity=cosine,
            tag_df=frequencies[tag],
            into_df=frequencies[into],
        )
        for tag, (cosine, into) in found.items()
    ]
    return tuple(sorted(proposals, key=lambda proposal: (-proposal.similarity, proposal.tag)))


def _similar_pairs(
    tags: Sequence[str], meaning: TextEmbedder, similarity: float, family_similarity: float
) -> Iterator[tuple[str, str, float]]:
    """Yield pairs of tags that are similar enough, in the order of `tags`."""
    pairs = [
        (one, other, cosine)
        for one, other, cosine in _near_pairs(tags, meaning, min(similarity, family_similarity))
        if (cosine >= similarity or share_stem(one, other)) and may_be_same(one, other)
    ]
    rests = {(one, other): unshared_words(one, other) for one, other, _ in pairs}
    names = sorted({rest for pair in rests.values() for rest in pair})
    place = {name: row for row, name in enumerate(names)}
    vectors = _embed_tags(names, meaning)
    for one, other, cosine in pairs:
        left, right = rests[one, other]
        of_rest = float(vectors[place[left]] @ vectors[place[right]])
        least = round(min(cosine, of_rest), _DECIMALS)
        if least >= similarity or (share_stem(left, right) and least >= family_similarity):
            yield one, other, least


def _near_pairs(
    tags: Sequence[str], meaning: TextEmbedder, least: float
) -> Iterator[tuple[str, str, float]]:
    """Yield every pair whose similarity is at least `least`."""
    vectors = _embed_tags(tags, meaning)
    for start in range(0, len(tags), _BLOCK):
        cosines = vectors[start : start + _BLOCK] @ vectors[start:].T
        rows, columns = np.nonzero(np.triu(cosines, 1) >= least)
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            yield tags[start + row], tags[start + column], float(cosines[row, column])


def _embed_tags(names: Sequence[str], meaning: TextEmbedder) -> Float32[np.ndarray, "names dim"]:
    """Return vectors whose product is the mean of two cosines: of a name, and of its sound."""
    words = [name.replace("-", " ") for name in names]
    alone, heard = (
        meaning.embed(words),
        meaning.embed([TAG_TEMPLATE.format(name) for name in words]),
    )
    return np.concatenate([alone, heard], axis=1) / np.float32(np.sqrt(2))


FILE_HEADER = """\
# What people decided of the tags of this corpus. Edit it, then build the vocabulary again with
# vocabulary.decisions = "<this file>". It is never undone: a rebuild reads it, and a new list of
# proposals replaces only those that nobody has decided.
#
# In each [[proposal]] below, two tags may mean the same. Write
#   decision = "accept"   to count `tag` as `into`
#   decision = "reject"   to keep them apart; the pair is not proposed again
# and leave "" where you do not know. The numbers after a tag are the captions that hold it.

# Tags that never become classes: ban = ["untitled"]
ban = []

# Tags that become classes however rare they are: keep = ["theremin"]
keep = []

# Merges of your own: reverberant = "reverb"
[merge]

# New names: "hi-fi" = "high-fidelity"
[rename]
"""

_TABLE_START = re.compile(r"^(?=(?:[ \t]*#.*\n)*[ \t]*\[)", re.MULTILINE)

_PROPOSAL_START = re.compile(r"[ \t]*\[\[[ \t]*proposal[ \t]*\]\]")


def write_proposals(path: Path, proposals: Iterable[Proposal]) -> None:
    """Put proposals into a decisions file in place of those that nobody has decided.

    The file is made where there is none. Of one that is there, everything stays but its undecided
    proposals. A pair that it decides is not written again.

    Raises:
        ConfigError: the file is no decisions file, or contradicts itself.
    """
    text = read_decisions_text(path) if path.exists() else FILE_HEADER
    file = parse_decisions(text, str(path))
    build_decisions(file, str(path))
    decided = {frozenset((p.tag, p.into)) for p in file.proposal if p.decision}
    new = [p for p in proposals if frozenset((p.tag, p.into)) not in decided]
    kept = "".join(_decided_sections(text)).rstrip("\n")
    tables = [f"[[proposal]]\n{tomli_w.dumps(msgspec.to_builtins(proposal))}" for proposal in new]
    write_text(path, "\n\n".join([kept, *(table.strip("\n") for table in tables)]) + "\n")


def _decided_sections(text: str) -> Iterator[str]:
    """Yield the parts of a decisions file, cut before each table, without undecided proposals."""
    for part in _TABLE_START.split(text):
        if not _PROPOSAL_START.match(part) or tomllib.loads(part)["proposal"][0].get("decision"):
            yield part
