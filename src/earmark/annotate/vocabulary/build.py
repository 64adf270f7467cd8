"""The tags of a corpus to its vocabularies: fold, count, rank, cut to size, write.

The score that the paper ranks by is in section 3.2 of arXiv 2603.25767; see `scores`.
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int32, Int64

from earmark.config import fingerprint
from earmark.records import Rejected, write_parquet

from .choosing.domains import seed_of
from .choosing.selection import Ranking, check_selection, choose
from .choosing.sizes import check_sizes, curve_sizes, growth, settle_size
from .config import DOMAINS, Domain, VocabularyConfig
from .counting.corpus import TagCorpus
from .counting.filtered import write_filtered
from .counting.tally import Tally
from .facts import Facts
from .folding import Folding, fold
from .locking.exchange import write_labels
from .locking.lock import CountedSource, DecisionsInForce, Provenance, Vocabulary, VocabularyEntry
from .locking.opening import LOCK, open_vocabulary
from .people.decisions import Decisions, read_decisions

PAPER_SIZES = (800, 1000, 1500, 2000, 3000)
"""The sizes that the paper compares; the curve has them beside those that are written."""
UNREAD = "unread.parquet"
"""Rows of the sources that could not be counted, as `Rejected`; a stage's counts are of tags."""
CACHE = "counted"
"""The folder beside a lock file where what was counted is kept for the next build."""


@dataclass(frozen=True)
class Made:
    """What a build came to.

    Args:
        largest: a vocabulary of the largest size that was asked for; smaller ones begin it.
        size: of the vocabulary that a model is trained on.
        sizes: every size that is written.
        facts: how it came.
        rank: the rank in `largest`, from 0, of the tag that each term is counted as; -1 for none.
        lost: distinct tags as written that became no class, by reason.
    """

    largest: Vocabulary
    size: int
    sizes: tuple[int, ...]
    facts: Facts
    rank: Int32[np.ndarray, " terms"]
    lost: Mapping[str, int]


def build_vocabulary(tag_sets: Iterable[Sequence[str]], config: VocabularyConfig) -> Vocabulary:
    """Return the vocabulary of tag lists in memory, one list a caption.

    The order of captions, and of tags in them, has no influence, and a smaller vocabulary is the
    beginning of a larger one.

    Raises:
        ConfigError: a setting is out of range, or no tag is frequent enough.
    """
    with tempfile.TemporaryDirectory() as folder:
        made = make(TagCorpus.of(tag_sets, Path(folder)), config)
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
    check(config)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".counted-") as passing:
        corpus = TagCorpus.encode(sources, cache or Path(passing), workers=workers)
        made = make(corpus, config)
        write_parquet(folder / UNREAD, corpus.rejected(), Rejected)
        _write(made, config, folder)
        if filtered:
            write_filtered(corpus, made.rank, made.largest.tags, made.sizes, folder)
    given = len(corpus.terms)
    return {"in": given, "out": given - sum(made.lost.values()), **made.lost}


def check(config: VocabularyConfig) -> None:
    """Refuse settings that are out of range, before anything is counted.

    Raises:
        ConfigError: one is; the message names it.
    """
    check_sizes(config)
    check_selection(config)


def make(corpus: TagCorpus, config: VocabularyConfig) -> Made:
    """Return the vocabulary of a corpus. Raises as `write_vocabulary`."""
    check(config)
    if config.frozen:
        return _take(corpus, config)
    decisions = read_decisions(Path(config.decisions)) if config.decisions else Decisions()
    folding = fold(corpus.as_written, config.steps, config.aliases, decisions)
    tags, group = _groups(corpus.terms, folding.target)
    tally = corpus.tally(group, np.array([seed_of(tag) for tag in tags], np.int8))

    def together(chosen: Int64[np.ndarray, " tags"]) -> Int64[np.ndarray, "tags tags"]:
        return corpus.cooccurrence(_ranks(chosen, group, len(tags)), len(chosen))

    ranking = choose(tags, tally, config, folding.keep, together)
    uses = int(tally.df.sum())
    size, why = settle_size(ranking.df, uses, config, ranking.kept)
    every = _ranks(ranking.order, group, len(tags))
    sizes = tuple(sorted({size, *config.sizes}))
    entries = _entries(corpus, tags, group, ranking, sizes[-1])
    in_force = DecisionsInForce.of(decisions)
    largest = Vocabulary(
        entries, corpus.captions, config, decisions=in_force, provenance=_provenance(corpus)
    )
    return Made(
        largest,
        size,
        sizes,
        _facts(corpus, folding, every, tally, ranking, (size, *sizes), uses, why),
        _ranks(ranking.order[: sizes[-1]], group, len(tags)),
        _lost(folding, len(tags), len(ranking), size),
    )


def _take(corpus: TagCorpus, config: VocabularyConfig) -> Made:
    """Return the vocabulary that `config.frozen` names, as it is, counted over another corpus."""
    largest = open_vocabulary(Path(config.frozen), config)
    ids = [largest.class_of(term) for term in corpus.terms]
    rank = np.array([-1 if place is None else place for place in ids], np.int32)
    tally = corpus.tally(rank, np.array([seed_of(tag) for tag in largest.tags], np.int8))
    order = np.arange(len(largest))
    ranking = Ranking(order, tally.df, np.zeros(len(order)), _domains(largest), 0)
    uses, unknown = int(corpus.frequencies.sum()), int(corpus.frequencies[rank < 0].sum())
    why = (
        f"{len(largest)}: taken as it is from {Path(config.frozen).name}; "
        f"{int((tally.df == 0).sum())} of its tags are in no caption here, and "
        f"{unknown / max(uses, 1):.1%} of tag uses are not in it"
    )
    dropped = dict.fromkeys(_where(corpus, rank < 0), "not in the frozen vocabulary")
    folding = Folding(dict.fromkeys(corpus.terms, ""), dropped, (), ())
    sizes = tuple(sorted({len(largest), *(size for size in config.sizes if size < len(largest))}))
    variants = len(corpus.terms) - len(dropped) - int((tally.df > 0).sum())
    lost = {
        "vocabulary: not in the frozen vocabulary": len(dropped),
        "vocabulary: a variant of another": variants,
    }
    facts = _facts(corpus, folding, rank, tally, ranking, (len(largest), *sizes), uses, why)
    return Made(largest, len(largest), sizes, facts, rank, {k: n for k, n in lost.items() if n})


def _domains(vocabulary: Vocabulary) -> tuple[Domain, ...]:
    return tuple(entry.domain or "sound" for entry in vocabulary.entries)


def _where(corpus: TagCorpus, chosen: Bool[np.ndarray, " terms"]) -> list[str]:
    return [corpus.terms[place] for place in np.flatnonzero(chosen).tolist()]


def _groups(
    terms: Sequence[str], target: Mapping[str, str]
) -> tuple[tuple[str, ...], Int32[np.ndarray, " terms"]]:
    """Return the tags that terms are counted as, sorted, and which of them each term is, or -1."""
    targets = [target[term] for term in terms]
    tags = tuple(sorted(set(targets) - {""}))
    place = {tag: position for position, tag in enumerate(tags)} | {"": -1}
    return tags, np.array([place[name] for name in targets], np.int32)


def _ranks(
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
    rank = _ranks(ranking.order[:size], group, len(tags))
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
        CountedSource(name=Path(part.part.facts.source).name, rows=part.captions)
        for part in corpus.parts
    )
    return Provenance(sources=sources, counts=fingerprint(corpus.as_written))


def _facts(
    corpus: TagCorpus,
    folding: Folding,
    rank: Int32[np.ndarray, " terms"],
    tally: Tally,
    ranking: Ranking,
    sizes: Sequence[int],
    uses: int,
    why: str,
) -> Facts:
    """Return what there is to tell; `rank` is that of every tag that qualifies."""
    size, *others = sizes
    points = curve_sizes(len(ranking), (size, *others, *PAPER_SIZES))
    # Which point of the curve a tag comes in with is all that the curve asks of it.
    entered = np.searchsorted(points, rank, side="right").astype(np.int32)
    reached = corpus.first_ranks(np.where(rank < 0, np.int32(-1), entered), len(points)).cumsum()
    dropped = Counter(corpus.dropped)
    for written, reason in folding.dropped.items():
        dropped[reason] += corpus.as_written[written]
    domains = np.array([DOMAINS.index(domain) for domain in ranking.domains[:size]])
    by_domain = np.bincount(domains, minlength=len(DOMAINS))
    used = np.bincount(domains, weights=ranking.df[:size], minlength=len(DOMAINS)).astype(int)
    return Facts(
        captions=corpus.captions,
        uses=int(corpus.frequencies.sum()),
        written=tuple(np.sort(corpus.frequencies)[::-1].tolist()),
        folded=tuple(np.sort(tally.df)[::-1].tolist()),
        changes=folding.changes,
        dropped=dict(dropped.most_common()),
        captions_by_domain=_by_domain(tally.captions_by_domain),
        tags_by_domain=_by_domain(by_domain),
        uses_by_domain=_by_domain(used),
        curve=growth(ranking.df, points, reached, corpus.captions, uses),
        chosen=why,
        unsupported=folding.unsupported,
    )


def _by_domain(counts: Int64[np.ndarray, " domains"]) -> dict[str, int]:
    return dict(zip(DOMAINS, counts.tolist(), strict=True))


def _lost(folding: Folding, tags: int, qualify: int, size: int) -> dict[str, int]:
    """Return how many tags as written became no class of their own, by reason."""
    lost = Counter(f"vocabulary: {reason}" for reason in folding.dropped.values())
    lost["vocabulary: a variant of another"] = len(folding.target) - lost.total() - tags
    lost["vocabulary: too rare"] = tags - qualify
    lost["vocabulary: beyond size"] = qualify - size
    return {reason: count for reason, count in lost.items() if count}


def _write(made: Made, config: VocabularyConfig, folder: Path) -> None:
    for size in made.sizes:
        vocabulary = made.largest.first(size)
        write_labels(vocabulary.tags, folder, size)
        if size == made.size:
            vocabulary.save(folder / LOCK)
        if size in config.sizes:
            vocabulary.save(folder / f"vocabulary_{size}.json")
    made.facts.save(folder)
