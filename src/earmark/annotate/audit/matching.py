"""When tags name a class: by spelling, by lemma, by meaning.

The rule, fair to taggers that give single words:

- exact: a tag is written as one of the class's names is, case and separators apart;
- lemma: or all telling words of one of its names are, by lemma, among the words of the tags
  together: "acoustic" and "guitar" name "Acoustic guitar", and "guitar" alone does not;
- semantic: or a tag's sentence embedding is near that of one of its names.

What the tags name is right where the clip has the label, or has one that says more: who is
labelled "groovy bass" may be called "bass". To have found a label takes the whole name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from earmark.annotate.audit.meaning import NEAR, embed_names
from earmark.annotate.audit.names import alternatives, lemmas_of, spelling, words_of
from earmark.annotate.audit.results import Match
from earmark.annotate.sentence_encoder import Meaning

PAIRS_AT_ONCE = 20_000_000
"""Similarities held in memory at a time: 80 MB."""


@dataclass(frozen=True)
class ClassNames:
    """Class names, taken apart once; a class is known by its position in `names`."""

    names: tuple[str, ...]

    @cached_property
    def parts(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """The alternatives of each class, as words."""
        return tuple(alternatives(name) for name in self.names)

    @cached_property
    def spelled(self) -> Mapping[str, tuple[int, ...]]:
        """The classes that are written so, by spelling."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for position, parts in enumerate(self.parts):
            for words in parts:
                found[spelling(words)].append(position)
        return {key: tuple(value) for key, value in found.items()}

    @cached_property
    def composed(self) -> Mapping[str, tuple[tuple[int, frozenset[str]], ...]]:
        """(class, lemmas of one of its names), by the rarest of these lemmas."""
        whole = [(i, lemmas_of(words)) for i, parts in enumerate(self.parts) for words in parts]
        uses = Counter(lemma for _, lemmas in whole for lemma in lemmas)
        found: defaultdict[str, list[tuple[int, frozenset[str]]]] = defaultdict(list)
        for position, lemmas in whole:
            found[min(lemmas, key=lambda lemma: (uses[lemma], lemma))].append((position, lemmas))
        return {key: tuple(value) for key, value in found.items()}

    def written(self, tags: Iterable[str]) -> frozenset[int]:
        """Return the classes of which one of `tags` is a name."""
        found = (self.spelled.get(spelling(words_of(tag)), ()) for tag in tags)
        return frozenset(position for positions in found for position in positions)

    def said(self, lemmas: Set[str]) -> frozenset[int]:
        """Return the classes whose name can be put together from these lemmas."""
        return frozenset(
            position
            for lemma in lemmas
            for position, needed in self.composed.get(lemma, ())
            if needed <= lemmas
        )


@dataclass(frozen=True)
class Matcher:
    """Which classes tags name, under one match.

    `near` holds the classes that each tag means, `implied` those that each class says of its
    clips: itself, and whatever it says more than.
    """

    classes: ClassNames
    match: Match
    near: Mapping[str, frozenset[int]]
    implied: tuple[frozenset[int], ...]

    def named(self, tags: Collection[str]) -> frozenset[int]:
        """Return the classes that `tags` together name."""
        found = self.classes.written(tags)
        if self.match == "exact":
            return found
        lemmas = frozenset[str]().union(*(lemmas_of(words_of(tag)) for tag in tags))
        found |= self.classes.said(lemmas)
        return found.union(*(self.near.get(tag, frozenset()) for tag in tags))

    def right(self, labels: Iterable[int]) -> frozenset[int]:
        """Return the classes that may rightly be named of a clip with these labels."""
        return frozenset[int]().union(*(self.implied[label] for label in labels))


def matchers(
    names: Sequence[str], tags: Collection[str], meaning: Meaning | None
) -> tuple[Matcher, ...]:
    """Return a matcher for each match that can be made, in the order of `Match`.

    Args:
        names: the class names.
        tags: all tags that are to be matched by meaning.
        meaning: without one there is no match by meaning.
    """
    classes = ClassNames(tuple(names))
    own = tuple(frozenset({position}) for position in range(len(classes.names)))
    less = tuple(
        own[position].union(*(classes.said(lemmas_of(words)) for words in parts))
        for position, parts in enumerate(classes.parts)
    )
    made = [Matcher(classes, "exact", {}, own), Matcher(classes, "lemma", {}, less)]
    if meaning is not None:
        near = means(tags, classes, meaning)
        alike = means(classes.names, classes, meaning)
        implied = tuple(said.union(*(alike[classes.names[c]] for c in said)) for said in less)
        made.append(Matcher(classes, "semantic", near, implied))
    return tuple(made)


def means(
    texts: Collection[str], classes: ClassNames, meaning: Meaning
) -> dict[str, frozenset[int]]:
    """Return the classes that each text means: one of its names is near one of theirs."""
    targets = _spread(classes.names)
    sources = _spread(sorted(set(texts)))
    found: dict[str, frozenset[int]] = dict.fromkeys(texts, frozenset())
    if not targets or not sources:
        return found
    position = {name: index for index, name in enumerate(classes.names)}
    owners = np.array([position[name] for name, _ in targets], dtype=np.int64)
    vectors = embed_names([words for _, words in targets], meaning)
    own = embed_names([words for _, words in sources], meaning)
    block = max(PAIRS_AT_ONCE // len(targets), 1)
    for start in range(0, len(sources), block):
        near = own[start : start + block] @ vectors.T >= NEAR
        for (text, _), row in zip(sources[start : start + block], near, strict=True):
            found[text] |= frozenset(owners[row].tolist())
    return found


def _spread(names: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    return [(name, words) for name in names for words in alternatives(name)]
