"""When tags name a class: by spelling, by lemma, by meaning.

The rule, fair to taggers that give single words:

- exact: a tag is written as one of the class's names is, case and separators apart;
- lemma: or all telling words of one of its names are, by lemma, among the words of the tags
  together: "acoustic" and "guitar" name "Acoustic guitar", and "guitar" alone does not;
- semantic: or a tag's sentence embedding is near that of one of its names.

What the tags name is right where the clip has the label, or has one that says more: who is
labeled "groovy bass" may be called "bass". To have found a label takes the whole name.

A class name may hold several names of one class, and more than one word in each:

    "Male speech, man speaking"     male speech | man speaking
    "Whimper (dog)"                 whimper
    "crying_baby"                   crying baby
    "Drawer open or close"          drawer open (or) close
    "instrument---electricguitar"   electricguitar
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Float32

from earmark.annotate.audit.results import ListCoverage, MatchKind
from earmark.annotate.sentence_encoder import TAG_TEMPLATE, TextEmbedder
from earmark.annotate.vocabulary.normalize.inflection import lemmatize_word
from earmark.annotate.vocabulary.normalize.surface import to_american_word

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

SYNONYM_SEPARATORS = re.compile(r"[,;/|]|\betc\b\.?")

NAMESPACE = "---"
"""What MTG-Jamendo writes between a tag and the kind of tag it is."""

FUNCTION_WORDS = frozenset(
    {"a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"}
)
"""Words that say nothing of what is heard by themselves."""

LEADING_WORDS = frozenset({"playing", "people", "person", "using"})
"""First words that VGGSound writes ("playing violin", "people sneezing") and taggers do not."""

NEGATIONS = frozenset({"no", "non", "not", "without", "lacking", "absence"})


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a tag or name in lower case: "Hi-hat" is hi and hat."""
    return tuple(WORD.findall(text.casefold()))


def join_words(words: tuple[str, ...]) -> str:
    """Return what "hi-hat", "Hi hat" and "hihat" have in common."""
    return "".join(words)


def alternative_names(name: str) -> tuple[tuple[str, ...], ...]:
    """Return the names that a class name holds, each as its words; at least one unless blank."""
    own = name.rpartition(NAMESPACE)[2]
    without_remarks = re.sub(r"\([^)]*\)", " ", own)
    found = dict.fromkeys(split_words(part) for part in SYNONYM_SEPARATORS.split(without_remarks))
    found.pop((), None)
    return tuple(found) or ((split_words(own),) if split_words(own) else ())


@lru_cache(maxsize=2**16)
def word_lemmas(words: tuple[str, ...]) -> frozenset[str]:
    """Return the lemmas, in American spelling, of the words that say what is heard.

    Of all words where there are none but grammar.
    """
    if len(words) > 1 and words[0] in LEADING_WORDS:
        words = words[1:]
    telling = [word for word in words if word not in FUNCTION_WORDS]
    plain = (to_american_word(re.sub("['’]s$", "", word)) for word in telling or words)
    return frozenset(map(lemmatize_word, plain))


@lru_cache(maxsize=2**16)
def is_negated(name: str) -> bool:
    """Return whether a label says what is not heard ("no voices"), which no tag is to name."""
    return not NEGATIONS.isdisjoint(split_words(name)[:1])


MIN_COSINE = 0.89
"""Cosine from which two names mean the same, chosen on AudioSet's names and MiniLM.

Opposites lie below it (slow and fast, loud and quiet 0.86, high- and low-pitched 0.887), and so do
all but 5 of 2,537 pairs of siblings in the ontology (clapping and applause among these 5; dog and
cat, violin and cello 0.76). It misses much: of 104 pairs of names that AudioSet gives to one class
it joins 11 ("gunshot" and "gunfire", not "neigh" and "whinny"). At 0.80 it joins 33 of them, and 35
siblings, and takes "male" for "female".
"""


class CachedEmbedder:
    """Embeds each text once: an audit holds the same tags against many lists."""

    def __init__(self, meaning: TextEmbedder) -> None:
        self._meaning = meaning
        self._known: dict[str, Float32[np.ndarray, " dim"]] = {}

    def embed(self, texts: Sequence[str]) -> Float32[np.ndarray, "texts dim"]:
        """Return a unit vector for each text."""
        new = sorted(set(texts).difference(self._known))
        if new:
            self._known.update(zip(new, self._meaning.embed(new), strict=True))
        return np.stack([self._known[text] for text in texts])


def embed_names(
    names: Sequence[tuple[str, ...]], meaning: TextEmbedder
) -> Float32[np.ndarray, "names dim"]:
    """Return a unit vector for each name, given as its words; there is at least one."""
    return meaning.embed([TAG_TEMPLATE.format(" ".join(words)) for words in names])


MAX_PAIRS = 20_000_000
"""Similarities held in memory at a time: 80 MB."""


@dataclass(frozen=True)
class ClassNames:
    """Class names, taken apart once; a class is known by its position in `names`."""

    names: tuple[str, ...]

    @cached_property
    def parts(self) -> tuple[tuple[tuple[str, ...], ...], ...]:
        """The alternatives of each class, as words."""
        return tuple(alternative_names(name) for name in self.names)

    @cached_property
    def spelled(self) -> Mapping[str, tuple[int, ...]]:
        """The classes that are written so, by spelling."""
        found: defaultdict[str, list[int]] = defaultdict(list)
        for position, parts in enumerate(self.parts):
            for words in parts:
                found[join_words(words)].append(position)
        return {key: tuple(value) for key, value in found.items()}

    @cached_property
    def composed(self) -> Mapping[str, tuple[tuple[int, frozenset[str]], ...]]:
        """(class, lemmas of one of its names), by the rarest of these lemmas."""
        whole = [(i, word_lemmas(words)) for i, parts in enumerate(self.parts) for words in parts]
        uses = Counter(lemma for _, lemmas in whole for lemma in lemmas)
        found: defaultdict[str, list[tuple[int, frozenset[str]]]] = defaultdict(list)
        for position, lemmas in whole:
            found[min(lemmas, key=lambda lemma: (uses[lemma], lemma))].append((position, lemmas))
        return {key: tuple(value) for key, value in found.items()}

    def written(self, tags: Iterable[str]) -> frozenset[int]:
        """Return the classes of which one of `tags` is a name."""
        found = (self.spelled.get(join_words(split_words(tag)), ()) for tag in tags)
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
    match: MatchKind
    near: Mapping[str, frozenset[int]]
    implied: tuple[frozenset[int], ...]

    def named(self, tags: Collection[str]) -> frozenset[int]:
        """Return the classes that `tags` together name."""
        found = self.classes.written(tags)
        if self.match == "exact":
            return found
        lemmas = frozenset[str]().union(*(word_lemmas(split_words(tag)) for tag in tags))
        found |= self.classes.said(lemmas)
        return found.union(*(self.near.get(tag, frozenset()) for tag in tags))

    def right(self, labels: Iterable[int]) -> frozenset[int]:
        """Return the classes that may rightly be named of a clip with these labels."""
        return frozenset[int]().union(*(self.implied[label] for label in labels))


def build_matchers(
    names: Sequence[str], tags: Collection[str], meaning: TextEmbedder | None
) -> tuple[Matcher, ...]:
    """Return a matcher for each match that can be made, in the order of `MatchKind`.

    Args:
        names: the class names.
        tags: all tags that are to be matched by meaning.
        meaning: without one there is no match by meaning.
    """
    classes = ClassNames(tuple(names))
    own = tuple(frozenset({position}) for position in range(len(classes.names)))
    less = tuple(
        own[position].union(*(classes.said(word_lemmas(words)) for words in parts))
        for position, parts in enumerate(classes.parts)
    )
    made = [Matcher(classes, "exact", {}, own), Matcher(classes, "lemma", {}, less)]
    if meaning is not None:
        near = match_by_meaning(tags, classes, meaning)
        alike = match_by_meaning(classes.names, classes, meaning)
        implied = tuple(said.union(*(alike[classes.names[c]] for c in said)) for said in less)
        made.append(Matcher(classes, "semantic", near, implied))
    return tuple(made)


def match_by_meaning(
    texts: Collection[str], classes: ClassNames, meaning: TextEmbedder
) -> dict[str, frozenset[int]]:
    """Return the classes that each text means: one of its names is near one of theirs."""
    targets = _all_alternatives(classes.names)
    sources = _all_alternatives(sorted(set(texts)))
    found: dict[str, frozenset[int]] = dict.fromkeys(texts, frozenset())
    if not targets or not sources:
        return found
    position = {name: index for index, name in enumerate(classes.names)}
    owners = np.array([position[name] for name, _ in targets], dtype=np.int64)
    vectors = embed_names([words for _, words in targets], meaning)
    own = embed_names([words for _, words in sources], meaning)
    block = max(MAX_PAIRS // len(targets), 1)
    for start in range(0, len(sources), block):
        near = own[start : start + block] @ vectors.T >= MIN_COSINE
        for (text, _), row in zip(sources[start : start + block], near, strict=True):
            found[text] |= frozenset(owners[row].tolist())
    return found


def _all_alternatives(names: Iterable[str]) -> list[tuple[str, tuple[str, ...]]]:
    return [(name, words) for name in names for words in alternative_names(name)]


def list_coverage(
    name: str, classes: Sequence[str], tags: Sequence[str], meaning: TextEmbedder | None
) -> Iterator[ListCoverage]:
    """Yield, for each match, how many of `classes` the tags name.

    By lemma, several tags may name a class together: a clip can hold "acoustic" and "guitar".

    Args:
        name: of the list.
        classes: its class names, each once.
        tags: the vocabulary's tags, and what is folded into them.
        meaning: without one there is no match by meaning.
    """
    for matcher in build_matchers(classes, tags, meaning):
        named = matcher.named(tags)
        yield ListCoverage(
            name=name,
            match=matcher.match,
            classes=len(classes),
            covered=len(named),
            missing=tuple(c for position, c in enumerate(classes) if position not in named),
        )
