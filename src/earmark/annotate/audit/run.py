"""`earmark audit`: write the tables of `results`, and in words what could not be done.

The map lays tags and AudioSet classes out in the plane, near where they are alike (extra `map`).
t-SNE (van der Maaten & Hinton, JMLR 2008) keeps neighbors; distances between clusters mean
nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from jaxtyping import Float32, Float64
from msgspec.structs import replace

from earmark.annotate.audit.captions import TEXTS_FOLDER, audit_captions, tagger_title
from earmark.annotate.audit.config import (
    AUDIOSET,
    AuditConfig,
    audioset_classes,
    check_audit,
    read_class_names,
)
from earmark.annotate.audit.labels import AuditPart, audit_corpus
from earmark.annotate.audit.matching import (
    CachedEmbedder,
    alternative_names,
    embed_names,
    list_coverage,
    split_words,
)
from earmark.annotate.audit.results import (
    AGREEMENT_FILE,
    COVERAGE_FILE,
    MAP_FILE,
    MAX_MAP_TAGS,
    NOTES_FILE,
    STATISTICS_FILE,
    TAGGERS_FILE,
    Agreement,
    ListCoverage,
    MapPoint,
    TaggerScore,
    TagStatistics,
)
from earmark.annotate.backends.registry import TaggerConfig
from earmark.annotate.jobs.local import LocalRunnerConfig
from earmark.annotate.jobs.ray_runner import RayRunnerConfig
from earmark.annotate.sentence_encoder import SentenceEncoder, TextEmbedder
from earmark.annotate.vocabulary import Vocabulary
from earmark.annotate.vocabulary.build import write_vocabulary
from earmark.annotate.vocabulary.formats import VOCABULARY_FILE
from earmark.config import ConfigError
from earmark.io import write_text
from earmark.records import Rejected
from earmark.tables import write_parquet

PERPLEXITY = 30
"""About how many neighbours a point keeps; fewer where there are few points."""

MIN_POINTS = 10


def compute_tag_map(
    vocabulary: Vocabulary, classes: Sequence[str], meaning: TextEmbedder, *, seed: int
) -> list[MapPoint]:
    """Return where the most frequent tags and the classes lie; equal seeds give equal maps.

    Raises:
        ConfigError: the extra is not installed, or there are too few points to be laid out.
    """
    tags = sorted(vocabulary.entries, key=lambda entry: (-entry.df, entry.tag))[:MAX_MAP_TAGS]
    points = [
        MapPoint(name=entry.tag, kind="tag", x=0.0, y=0.0, df=entry.df, domain=entry.domain)
        for entry in tags
    ]
    points += [MapPoint(name=name, kind="class", x=0, y=0, df=0, domain="") for name in classes]
    words = [split_words(entry.tag) for entry in tags]
    words += [alternative_names(name)[0] for name in classes]
    places = _tsne(embed_names(words, meaning), seed)
    return [
        MapPoint(name=p.name, kind=p.kind, x=float(x), y=float(y), df=p.df, domain=p.domain)
        for p, (x, y) in zip(points, places, strict=True)
    ]


def _tsne(vectors: Float32[np.ndarray, "points dim"], seed: int) -> Float64[np.ndarray, "points 2"]:
    if len(vectors) < MIN_POINTS:
        raise ConfigError(
            f"the map of tags needs {MIN_POINTS} points, but there are {len(vectors)}"
        )
    try:
        from openTSNE import TSNE
    except ImportError:
        raise ConfigError(
            "the map of tags needs openTSNE, which is not installed: pip install 'earmark[map]'"
        ) from None
    fit = TSNE(
        perplexity=min(PERPLEXITY, (len(vectors) - 1) // 3),
        metric="cosine",
        initialization="pca",
        neighbors="exact",
        n_jobs=1,
        random_state=seed,
    ).fit(vectors)
    return np.asarray(fit, dtype=np.float64)


def run_audit(
    clips: Path,
    tags: Path,
    vocabulary: Vocabulary,
    config: AuditConfig,
    tagger: TaggerConfig,
    where: LocalRunnerConfig | RayRunnerConfig,
    folder: Path,
    *,
    seed: int,
) -> dict[str, int]:
    """Write the audit's tables, rejected.parquet and notes.json into `folder`; returns counts.

    Args:
        clips: the scan's table, with people's labels.
        tags: the tags of these clips.
        vocabulary: what was made of them.
        config: what is compared with what.
        tagger: who tags the captions of text sources.
        where: where the tagger works on them.
        folder: of the audit; what was tagged in it by a run that was cut off is kept.
        seed: of bootstrap draws, samples and the map.

    Raises:
        ConfigError: as `check_audit`, and where a field is in no clip's labels.
        StageError: a tagger is out of order; what was answered is kept.
    """
    check_audit(config)
    lists = {AUDIOSET: audioset_classes()} | {
        each.name: read_class_names(each) for each in config.lists
    }
    meaning = CachedEmbedder(SentenceEncoder.load()) if config.semantic else None
    notes = [] if meaning else ["Nothing was matched by meaning: audit.semantic is not set."]
    corpus = audit_corpus(clips, tags, tagger_title(tagger), config, meaning, seed=seed)
    texts = audit_captions(config, tagger, where, meaning, folder, seed=seed)
    points, unmapped = _map_points(vocabulary, lists[AUDIOSET], meaning, seed=seed)
    vocabularies, none_of_captions = _caption_vocabulary(config, vocabulary, folder)
    covered = [
        row
        for whose, each in vocabularies.items()
        for name, names in lists.items()
        for row in list_coverage(f"{name}{whose}", names, _all_names(each), meaning)
    ]
    write_parquet(folder / COVERAGE_FILE, covered, ListCoverage)
    write_parquet(folder / MAP_FILE, points, MapPoint)
    told = AuditPart(notes=(*notes, *unmapped, *none_of_captions))
    return _write_tables(folder, (told, corpus, texts))


def _write_tables(folder: Path, parts: Sequence[AuditPart]) -> dict[str, int]:
    """Write what the parts found out, in their order; returns counts."""
    agreement = (row for part in parts for row in part.agreement)
    write_parquet(folder / AGREEMENT_FILE, agreement, Agreement)
    write_parquet(
        folder / STATISTICS_FILE, (row for part in parts for row in part.shapes), TagStatistics
    )
    write_parquet(
        folder / TAGGERS_FILE, (row for part in parts for row in part.parsers), TaggerScore
    )
    rejected = [row for part in parts for row in part.rejected]
    write_parquet(folder / "rejected.parquet", rejected, Rejected)
    notes = [note for part in parts for note in part.notes]
    write_text(folder / NOTES_FILE, msgspec.json.encode(notes).decode())
    given = sum(part.given for part in parts)
    reasons = Counter(f"{row.stage}: {row.reason}" for row in rejected)
    return {"in": given, "out": given - reasons.total(), **dict(reasons.most_common())}


def _map_points(
    vocabulary: Vocabulary, classes: Sequence[str], meaning: TextEmbedder | None, *, seed: int
) -> tuple[list[MapPoint], list[str]]:
    if meaning is None:
        return [], ["There is no map of tags: it wants audit.semantic = true."]
    try:
        return compute_tag_map(vocabulary, classes, meaning, seed=seed), []
    except ConfigError as error:
        return [], [f"There is no map of tags: {error}"]


def _caption_vocabulary(
    config: AuditConfig, vocabulary: Vocabulary, folder: Path
) -> tuple[dict[str, Vocabulary], list[str]]:
    """Return the vocabulary, that which the text sources' captions give, and why there is none.

    The second is made by the same settings, and left in `folder`/texts/vocabulary with its facts.
    """
    found = {"": vocabulary}
    if not config.texts:
        return found, []
    target = folder / TEXTS_FOLDER / "vocabulary"
    target.mkdir(exist_ok=True)
    settings = replace(vocabulary.settings, sizes=(), path="")
    try:
        write_vocabulary([folder / TEXTS_FOLDER / "tags" / "tags.parquet"], settings, target)
    except ConfigError as error:
        return found, [f"The captions give no vocabulary of their own: {error}"]
    return {**found, ", tags of captions": Vocabulary.load(target / VOCABULARY_FILE)}, []


def _all_names(vocabulary: Vocabulary) -> list[str]:
    """Return the vocabulary's tags, and all that was written for them."""
    written = (name for entry in vocabulary.entries for name in (entry.tag, *entry.aliases))
    return list(dict.fromkeys(written))
