"""Build a vocabulary from files of tags: normalize, count, rank, cut to size, write.

`choose_vocabulary` selects tags by the recipe's score (the paper's is in section 3.2 of arXiv
2603.25767; see `scores`); `load_frozen_vocabulary` takes a vocabulary as it is, and no class id
moves. `rules_digest` covers all that determines the result beside the recipe.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Generator, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from jaxtyping import Int32, Int64

from earmark.annotate.vocabulary.config import Domain, VocabularyConfig
from earmark.annotate.vocabulary.counting.corpus import TagCorpus
from earmark.annotate.vocabulary.counting.filter import write_filtered_tags
from earmark.annotate.vocabulary.decisions import Decisions, read_decisions
from earmark.annotate.vocabulary.domains import seed_indices
from earmark.annotate.vocabulary.formats import VOCABULARY_FILE, open_vocabulary, write_label_list
from earmark.annotate.vocabulary.lockfile import (
    AppliedDecisions,
    Provenance,
    ProvenanceSource,
    VocabularyEntry,
)
from earmark.annotate.vocabulary.normalize import (
    NORMALIZER_VERSION,
    Normalization,
    new_names,
    normalize_all,
)
from earmark.annotate.vocabulary.result import BuildResult, TagCounts
from earmark.annotate.vocabulary.select import Ranking, rank_tags
from earmark.annotate.vocabulary.size import choose_size
from earmark.annotate.vocabulary.vocabulary import Vocabulary
from earmark.config import ConfigError, fingerprint
from earmark.records import Rejected
from earmark.tables import write_parquet

SELECTION_VERSION = 1
"""Raised whenever a score, a domain or the ranking comes out otherwise than before."""

WORD_LISTS = ("normalize/spelling.toml", "normalize/irregular.toml", "domains.toml")
"""Word lists that the rules read."""


def rules_digest(config: VocabularyConfig) -> str:
    """Return a fingerprint of the rules and of what the files that are named say.

    A comment in a decisions file, or its name, is no part of it.

    Raises:
        ConfigError: a file cannot be read, or contradicts itself.
    """
    package = resources.files(__package__ or "")
    tables = [hashlib.sha256((package / name).read_bytes()).hexdigest() for name in WORD_LISTS]
    return fingerprint(
        NORMALIZER_VERSION,
        SELECTION_VERSION,
        tables,
        _decisions_digest(config),
        _frozen_digest(config),
    )


def _decisions_digest(config: VocabularyConfig) -> str:
    if not config.decisions:
        return ""
    decisions = read_decisions(Path(config.decisions))
    list(new_names(decisions))  # each can be a tag
    return fingerprint(
        *(sorted(pairs.items()) for pairs in (decisions.merge, decisions.rename)),
        *(sorted(names) for names in (decisions.ban, decisions.keep)),
    )


def _frozen_digest(config: VocabularyConfig) -> str:
    if not config.path:
        return ""

    try:
        return open_frozen(config).fingerprint
    except OSError as error:
        raise ConfigError(f"vocabulary.path = {config.path!r}: {error.strerror}") from None


NOT_IN_VOCABULARY = "not in the frozen vocabulary"


def open_frozen(config: VocabularyConfig) -> Vocabulary:
    """Return the vocabulary that `config.path` names.

    Raises:
        ConfigError: it cannot be read, or has not as many tags as a size asks for.
    """
    largest = open_vocabulary(Path(config.path), config)
    if beyond := [size for size in config.sizes if size > len(largest)]:
        raise ConfigError(
            f"vocabulary.sizes = {list(config.sizes)} asks for {beyond[0]} tags, but "
            f"{config.path} has {len(largest)}"
        )
    return largest


def load_frozen_vocabulary(corpus: TagCorpus, config: VocabularyConfig) -> BuildResult:
    """Return the vocabulary that `config.path` names, counted over another corpus.

    Of the other settings only `sizes` count, which cut it, and for a list of labels those that
    say how variants are found.

    Raises:
        ConfigError: as `open_frozen`, or no caption holds any of its tags.
    """
    largest = open_frozen(config)
    ids = [largest.class_of(term) for term in corpus.terms]
    rank = np.array([-1 if place is None else place for place in ids], np.int32)
    tally = corpus.tally(rank, seed_indices(largest.tags))
    if not tally.df.any():
        raise ConfigError(
            f"vocabulary: no caption holds a tag of {config.path} (its first: "
            f"{', '.join(largest.tags[:5])}). Is it the vocabulary of other captions?"
        )
    names: list[Domain] = [entry.domain or "sound" for entry in largest.entries]
    order = np.arange(len(largest))
    ranking = Ranking(order, tally.df, np.zeros(len(order)), tuple(names), 0)
    unknown = [corpus.terms[place] for place in np.flatnonzero(rank < 0).tolist()]
    folding = Normalization(
        dict.fromkeys(corpus.terms, ""), dict.fromkeys(unknown, NOT_IN_VOCABULARY), (), ()
    )
    uses = int(corpus.frequencies.sum())
    missed = int(corpus.frequencies[rank < 0].sum()) / max(uses, 1)
    why = (
        f"{len(largest)}: taken as it is from {Path(config.path).name}; "
        f"{int((tally.df == 0).sum())} of its tags are in no caption here, and {missed:.1%} of "
        "tag uses are not in it"
    )
    sizes = tuple(sorted({len(largest), *config.sizes}))
    counted = TagCounts(corpus, folding, tally, ranking, rank)
    variants = len(corpus.terms) - len(unknown) - int((tally.df > 0).sum())
    lost = {
        f"vocabulary: {NOT_IN_VOCABULARY}": len(unknown),
        "vocabulary: a variant of another": variants,
    }
    return BuildResult(
        largest,
        len(largest),
        sizes,
        counted.account(len(largest), sizes, uses, why),
        rank,
        {reason: count for reason, count in lost.items() if count},
    )


def choose_vocabulary(corpus: TagCorpus, config: VocabularyConfig) -> BuildResult:
    """Return the vocabulary that a corpus gives.

    Raises:
        ConfigError: a setting is out of range, or no tag is frequent enough.
    """
    decisions = read_decisions(Path(config.decisions)) if config.decisions else Decisions()
    folding = normalize_all(corpus.as_written, config.steps, config.aliases, decisions)
    tags, group = _group_terms(corpus.terms, folding.target)
    tally = corpus.tally(group, seed_indices(tags))

    def together(chosen: Int64[np.ndarray, " tags"]) -> Int64[np.ndarray, "tags tags"]:
        return corpus.cooccurrence(_term_ranks(chosen, group, len(tags)), len(chosen))

    ranking = rank_tags(tags, tally, config, folding.keep, together)
    counted = TagCounts(
        corpus, folding, tally, ranking, _term_ranks(ranking.order, group, len(tags))
    )
    size, why = choose_size(ranking.df, counted.uses, config, ranking.kept)
    sizes = tuple(sorted({size, *config.sizes}))
    largest = Vocabulary(
        _entries(corpus, tags, group, ranking, sizes[-1]),
        corpus.captions,
        config,
        decisions=AppliedDecisions.of(folding.verdicts),
        provenance=_provenance(corpus),
    )
    facts = counted.account(size, sizes, counted.uses, why)
    rank = _term_ranks(ranking.order[: sizes[-1]], group, len(tags))
    return BuildResult(
        largest, size, sizes, facts, rank, _dropped_counts(folding, len(tags), len(ranking), size)
    )


def _group_terms(
    terms: Sequence[str], target: Mapping[str, str]
) -> tuple[tuple[str, ...], Int32[np.ndarray, " terms"]]:
    """Return the tags that terms are counted as, sorted, and which of them each term is, or -1."""
    targets = [target[term] for term in terms]
    tags = tuple(sorted(set(targets) - {""}))
    place = {tag: position for position, tag in enumerate(tags)} | {"": -1}
    return tags, np.array([place[name] for name in targets], np.int32)


def _term_ranks(
    order: Int64[np.ndarray, " ranks"], group: Int32[np.ndarray, " terms"], tags: int
) -> Int32[np.ndarray, " terms"]:
    """Return the rank of each term, where the tags at `order` are ranked; -1 for the others."""
    of_tag = np.full(tags + 1, -1, np.int32)  # the last stands for terms that were dropped
    of_tag[order] = np.arange(len(order), dtype=np.int32)
    return of_tag[group]


def _entries(
    corpus: TagCorpus,
    tags: Sequence[str],
    group: Int32[np.ndarray, " terms"],
    ranking: Ranking,
    size: int,
) -> tuple[VocabularyEntry, ...]:
    rank = _term_ranks(ranking.order[:size], group, len(tags))
    aliases = defaultdict[int, dict[str, int]](dict)
    for term in np.flatnonzero(rank >= 0).tolist():
        written, counted = corpus.terms[term], tags[int(group[term])]
        if written != counted:
            aliases[int(rank[term])][written] = int(corpus.frequencies[term])
    names = [tags[int(place)] for place in ranking.order[:size].tolist()]
    return tuple(
        VocabularyEntry(
            rank=position + 1,
            tag=name,
            df=int(ranking.df[position]),
            score=float(ranking.scores[position]),
            domain=ranking.domains[position],
            aliases=aliases.get(position, {}),
        )
        for position, name in enumerate(names)
    )


def _provenance(corpus: TagCorpus) -> Provenance:
    sources = tuple(
        ProvenanceSource(name=Path(part.part.facts.source).name, rows=part.captions)
        for part in corpus.parts
    )
    return Provenance(sources=sources, counts=fingerprint(corpus.as_written))


def _dropped_counts(folding: Normalization, tags: int, qualify: int, size: int) -> dict[str, int]:
    """Return how many tags as written became no class of their own, by reason."""
    lost = Counter(f"vocabulary: {reason}" for reason in folding.dropped.values())
    lost["vocabulary: a variant of another"] = len(folding.target) - lost.total() - tags
    lost["vocabulary: too rare"] = tags - qualify
    lost["vocabulary: beyond size"] = qualify - size
    return {reason: count for reason, count in lost.items() if count}


UNREAD_FILE = "unread.parquet"
"""Rows of the sources that could not be counted, as `Rejected`; a stage's counts are of tags."""

CACHE_FOLDER = "counted"
"""The folder beside a lock file where what was counted is kept for the next build."""


def build_vocabulary(tag_sets: Iterable[Sequence[str]], config: VocabularyConfig) -> Vocabulary:
    """Return the vocabulary of tag lists in memory, one list a caption.

    The order of captions, and of tags in them, has no influence, and a smaller vocabulary is the
    beginning of a larger one.

    Raises:
        ConfigError: a setting is out of range, or no tag is frequent enough.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = build_from_corpus(TagCorpus.of(tag_sets, Path(folder)), config)
    return made.largest.first(made.size)


def write_vocabulary(
    sources: Sequence[Path],
    config: VocabularyConfig,
    folder: Path,
    *,
    filtered: bool = False,
    workers: int = 0,
    cache: Path | None = None,
) -> dict[str, int]:
    """Make the vocabulary of `sources` and write it into `folder`; returns counts of tags.

    Files: vocabulary.json (the lock file), label_<K>.txt and id2label_<K>.json, facts.json and
    unread.parquet; for each of `config.sizes` also vocabulary_<K>.json. With `filtered`, the
    tags of every caption that each size keeps (tags_<K>/).

    Args:
        sources: files of rows, see `sources`.
        config: what is chosen.
        folder: where the files go; it must be there.
        filtered: whether to write filtered tags.
        workers: threads; 0 means one for each core. The result does not depend on it.
        cache: keeps what was counted of each source for the next build; nowhere where None.

    Raises:
        ConfigError: a setting is out of range, a file cannot be read, or no tag is frequent enough.
    """
    with _cache_folder(folder, cache) as encoded:
        corpus = TagCorpus.encode(sources, encoded, workers=workers)
        made = build_from_corpus(corpus, config)
        write_parquet(folder / UNREAD_FILE, corpus.rejected(), Rejected)
        _write_result(made, config, folder)
        if filtered:
            write_filtered_tags(corpus, made.rank, made.largest.tags, made.sizes, folder)
    given = len(corpus.terms)
    return {"in": given, "out": given - sum(made.lost.values()), **made.lost}


def build_from_corpus(corpus: TagCorpus, config: VocabularyConfig) -> BuildResult:
    """Return the vocabulary of a corpus, by settings that were checked."""
    return (
        load_frozen_vocabulary(corpus, config) if config.path else choose_vocabulary(corpus, config)
    )


@contextlib.contextmanager
def _cache_folder(folder: Path, cache: Path | None) -> Generator[Path]:
    """Give the folder that sources are encoded into; without a `cache` it is gone afterwards."""
    if cache is not None:
        yield cache
        return
    passing = folder / f"{CACHE_FOLDER}.tmp"
    shutil.rmtree(passing, ignore_errors=True)  # a build that was killed left it
    try:
        yield passing
    finally:
        shutil.rmtree(passing, ignore_errors=True)


def _write_result(made: BuildResult, config: VocabularyConfig, folder: Path) -> None:
    for size in made.sizes:
        vocabulary = made.largest.first(size)
        write_label_list(vocabulary.tags, folder, size)
        if size == made.size:
            vocabulary.save(folder / VOCABULARY_FILE)
        if size in config.sizes:
            vocabulary.save(folder / f"vocabulary_{size}.json")
    made.facts.save(folder)
