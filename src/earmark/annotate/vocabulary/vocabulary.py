"""The vocabulary itself: a frozen list of tags, and how any other tag maps to one of them.

Class ids of one vocabulary map to those of another, which may have merged or renamed tags.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from earmark.annotate.vocabulary.config import VocabularyConfig
from earmark.annotate.vocabulary.domains import seed_domain
from earmark.annotate.vocabulary.lockfile import (
    LOCK_FORMAT,
    AppliedDecisions,
    LockFile,
    Provenance,
    VocabularyEntry,
    read_lockfile,
    write_lockfile,
)
from earmark.annotate.vocabulary.normalize import NORMALIZER_VERSION, normalize_tag
from earmark.config import ConfigError

MAX_EXAMPLES = 3
"""Tags that a sentence names as examples."""


def map_tags(vocabulary: Vocabulary, other: Vocabulary) -> tuple[int | None, ...]:
    """Return where `other` has each tag of `vocabulary`, by class id; None where it has not."""
    return tuple(_find_class(entry, other) for entry in vocabulary.entries)


def explain_mapping(vocabulary: Vocabulary, other: Vocabulary) -> str:
    """Return in words how much of `vocabulary` is in `other`, and how to map class ids."""
    found = map_tags(vocabulary, other)
    pairs = list(zip(vocabulary.tags, found, strict=True))
    renamed = [
        (tag, other.tags[place])
        for tag, place in pairs
        if place is not None and other.tags[place] != tag
    ]
    missing = [tag for tag, place in pairs if place is None]
    same = len(pairs) - len(renamed) - len(missing)
    own = len(other) - len({place for place in found if place is not None})
    as_named = _list_examples(f"{tag!r} is {name!r}" for tag, name in renamed)
    return (
        f"{same} of {len(pairs)} tags are the same, {len(renamed)} are under another name"
        f"{as_named}, {len(missing)} are not in it{_list_examples(map(repr, missing))}; {own} of "
        f"its {len(other)} tags are new. Class ids are mapped by Vocabulary.mapping_to."
    )


def _find_class(entry: VocabularyEntry, other: Vocabulary) -> int | None:
    aliases = sorted(entry.aliases, key=lambda alias: (-entry.aliases[alias], alias))
    places = map(other.class_of, (entry.tag, *aliases))
    return next((place for place in places if place is not None), None)


def _list_examples(words: Iterable[str]) -> str:
    """Return " (a, b, c, ...)", or nothing where there are none."""
    listed = list(words)
    more = ", ..." if len(listed) > MAX_EXAMPLES else ""
    return f" ({', '.join(listed[:MAX_EXAMPLES])}{more})" if listed else ""


@dataclass(frozen=True)
class Vocabulary:
    """A frozen list of tags, best first, and how they were chosen.

    Args:
        entries: ranks 1, 2, ... in order.
        captions: the number of captions that were counted (N); 0 for an outsider's list of labels.
        settings: what the selection was asked for.
        normalizer: the version of the steps that folded the tags as written.
        decisions: what people decided of the tags.
        provenance: what was counted.
    """

    entries: tuple[VocabularyEntry, ...]
    captions: int
    settings: VocabularyConfig
    normalizer: int = NORMALIZER_VERSION
    decisions: AppliedDecisions = field(default_factory=AppliedDecisions)
    provenance: Provenance = field(default_factory=Provenance)

    def __len__(self) -> int:
        return len(self.entries)

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The tags; a tag's position is its class id."""
        return tuple(entry.tag for entry in self.entries)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The class id of each tag."""
        return {tag: position for position, tag in enumerate(self.tags)}

    @cached_property
    def fingerprint(self) -> str:
        """12 hex digits over tags, counts and rules: what a model's class ids depend on."""
        return self._lock_file("").content_fingerprint()

    def encode(self, tags: Iterable[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Return the vocabulary's tags that `tags` fold to, each once, in order; and their ids.

        A tag as written is looked up as it is, then among the aliases that the corpus showed. One
        that the corpus never showed goes through the steps of the normalizer but inflection, and
        through people's decisions, and is looked up again.
        """
        found = (self.class_of(tag) for tag in tags)
        ids = tuple(dict.fromkeys(position for position in found if position is not None))
        return tuple(self.tags[position] for position in ids), ids

    def class_of(self, tag: str) -> int | None:
        """Return the class id of a tag as written, or None where the vocabulary has none for it."""
        known = self._known
        if tag not in known:
            known[tag] = self._fold(tag)
        return known[tag]

    def normalize(self, tag: str) -> str:
        """Return a tag as this vocabulary's steps leave one that no corpus showed; "" for none."""
        return normalize_tag(tag, self.settings.steps, self.settings.aliases)

    def first(self, size: int) -> Vocabulary:
        """Return the vocabulary of at most the `size` best tags, as if so many had been asked for.

        Raises:
            ConfigError: `size` is below 1.
        """
        if size < 1:
            raise ConfigError(f"a vocabulary of {size} tags is none: at least 1 was expected")
        if size > len(self):
            return self
        settings = msgspec.structs.replace(self.settings, size=size, sizes=())
        return Vocabulary(
            self.entries[:size],
            self.captions,
            settings,
            self.normalizer,
            self.decisions,
            self.provenance,
        )

    def mapping_to(self, other: Vocabulary) -> Mapping[int, int]:
        """Return the class id in `other` of each class id that has one there.

        A tag is found there as any tag as written is (see `encode`), else through the most common
        of its aliases that is there. Several classes may lead to one, where `other` merged them.
        """
        return {
            position: there
            for position, there in enumerate(map_tags(self, other))
            if there is not None
        }

    def explain_mapping(self, other: Vocabulary) -> str:
        """Return in words how much of this vocabulary `other` has, and how to map it."""
        return explain_mapping(self, other)

    def require_same(self, other: Vocabulary, where: str) -> None:
        """Refuse another vocabulary than the one that the model at `where` was trained on.

        Raises:
            ConfigError: `other` is another; the message says what they share, and what to do.
        """
        if other.fingerprint == self.fingerprint:
            return
        raise ConfigError(
            f"{where} was trained on vocabulary {self.fingerprint}, not on {other.fingerprint}: "
            f"its class ids mean other tags. {self.explain_mapping(other)} "
            "`earmark vocabulary diff OLD NEW` lists them; `earmark label --as-vocabulary` prints "
            "the other's names."
        )

    def save(self, path: Path) -> None:
        """Write the lock file; equal vocabularies give equal bytes.

        Raises:
            ConfigError: it would contradict itself, as `load` would find.
        """
        write_lockfile(path, self._lock_file(self.fingerprint))

    @staticmethod
    def load(path: Path) -> Vocabulary:
        """Read a lock file.

        Raises:
            ConfigError: there is none, it is of another format, or it was edited; the message
                says where it contradicts itself.
        """
        lock = read_lockfile(path)
        return Vocabulary(
            lock.entries,
            lock.captions,
            lock.settings,
            lock.normalizer,
            lock.decisions,
            lock.provenance,
        )

    @staticmethod
    def from_labels(labels: Sequence[str], settings: VocabularyConfig | None = None) -> Vocabulary:
        """Take over a list of labels, whose positions are class ids; nothing is known of counts.

        Captions, df and scores are 0, and a domain is given only to seed words. Labels stay as
        they are, yet variants of them are found as `settings` say.

        Raises:
            ConfigError: there are no labels, or one is empty or there twice.
        """
        _check_labels(labels)
        entries = tuple(
            VocabularyEntry(rank=rank, tag=tag, df=0, score=0.0, domain=seed_domain(tag))
            for rank, tag in enumerate(labels, start=1)
        )
        return Vocabulary(entries, 0, settings or VocabularyConfig(size=len(entries)))

    def _lock_file(self, fingerprint: str) -> LockFile:
        return LockFile(
            format=LOCK_FORMAT,
            fingerprint=fingerprint,
            captions=self.captions,
            settings=self.settings,
            normalizer=self.normalizer,
            decisions=self.decisions,
            provenance=self.provenance,
            entries=self.entries,
        )

    @cached_property
    def _known(self) -> dict[str, int | None]:
        """The class id of every tag as written that was met: tags, aliases, then what was asked."""
        return {**self._aliases, **self.index}

    @cached_property
    def _aliases(self) -> Mapping[str, int]:
        entries = enumerate(self.entries)
        return {alias: position for position, entry in entries for alias in entry.aliases}

    @cached_property
    def _folded(self) -> Mapping[str, int]:
        """The class id of each tag and alias once folded; where two agree, the better rank's.

        Tags fold to themselves, but for those of an outsider's list of labels.
        """
        folded = dict[str, int]()
        for tag, position in (*self.index.items(), *self._aliases.items()):
            folded.setdefault(self.normalize(tag), position)
        folded.pop("", None)  # labels that can be no tag are found as they are, or not at all
        return folded

    def _fold(self, tag: str) -> int | None:
        folded = self.normalize(tag)
        for decided in (self.decisions.merge, self.decisions.rename):
            folded = decided.get(folded, folded)
        return None if folded in self.decisions.ban else self._folded.get(folded)


def _check_labels(labels: Sequence[str]) -> None:
    places = dict[str, int]()
    for position, label in enumerate(labels):
        if not label.strip():
            raise ConfigError(f"label {position} (from 0) is empty, so its class has no name")
        if label in places:
            raise ConfigError(
                f"the label {label!r} is there twice, as {places[label]} and {position} (from 0). "
                "A tag is one class: take one of them out."
            )
        places[label] = position
    if not places:
        raise ConfigError("no labels: a vocabulary needs at least one")
