"""`earmark audit`: the tables of results.py, and in words what could not be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from earmark.annotate.audit.captions import title
from earmark.annotate.audit.check import check
from earmark.annotate.audit.config import AUDIOSET, AuditConfig
from earmark.annotate.audit.coverage import coverage
from earmark.annotate.audit.label_lists import audioset, read_list
from earmark.annotate.audit.labels import audit_corpus
from earmark.annotate.audit.meaning import Remembered
from earmark.annotate.audit.part import Part
from earmark.annotate.audit.results import (
    AGREEMENT,
    COVERAGE,
    MAP,
    NOTES,
    PARSERS,
    SHAPE,
    Agreement,
    ListCoverage,
    MapPoint,
    ParserScore,
    Shape,
)
from earmark.annotate.audit.tag_map import tag_map
from earmark.annotate.audit.text_study import TEXTS, audit_texts
from earmark.annotate.backends.registry import TaggerConfig
from earmark.annotate.jobs.local import LocalConfig
from earmark.annotate.jobs.ray_runner import RayConfig
from earmark.annotate.sentence_encoder import Embedder, Meaning
from earmark.annotate.vocabulary import Vocabulary
from earmark.annotate.vocabulary.build import write_vocabulary
from earmark.annotate.vocabulary.locking.opening import LOCK
from earmark.config import ConfigError
from earmark.records import Rejected, write_parquet
from earmark.workspace import write_text


def audit(
    clips: Path,
    tags: Path,
    vocabulary: Vocabulary,
    config: AuditConfig,
    tagger: TaggerConfig,
    where: LocalConfig | RayConfig,
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
        ConfigError: as `check`, and where a field is in no clip's labels.
        StageError: a tagger is out of order; what was answered is kept.
    """
    check(config)
    lists = {AUDIOSET: audioset()} | {each.name: read_list(each) for each in config.lists}
    meaning = Remembered(Embedder.load()) if config.semantic else None
    notes = [] if meaning else ["Nothing was matched by meaning: audit.semantic is not set."]
    corpus = audit_corpus(clips, tags, title(tagger), config, meaning, seed=seed)
    texts = audit_texts(config, tagger, where, meaning, folder, seed=seed)
    points, unmapped = _map(vocabulary, lists[AUDIOSET], meaning, seed=seed)
    vocabularies, none_of_captions = _of_captions(config, vocabulary, folder)
    covered = [
        row
        for whose, each in vocabularies.items()
        for name, names in lists.items()
        for row in coverage(f"{name}{whose}", names, _said_by(each), meaning)
    ]
    write_parquet(folder / COVERAGE, covered, ListCoverage)
    write_parquet(folder / MAP, points, MapPoint)
    told = Part(notes=(*notes, *unmapped, *none_of_captions))
    return _write(folder, (told, corpus, texts))


def _write(folder: Path, parts: Sequence[Part]) -> dict[str, int]:
    """Write what the parts found out, in their order; returns counts."""
    agreement = (row for part in parts for row in part.agreement)
    write_parquet(folder / AGREEMENT, agreement, Agreement)
    write_parquet(folder / SHAPE, (row for part in parts for row in part.shapes), Shape)
    write_parquet(folder / PARSERS, (row for part in parts for row in part.parsers), ParserScore)
    rejected = [row for part in parts for row in part.rejected]
    write_parquet(folder / "rejected.parquet", rejected, Rejected)
    notes = [note for part in parts for note in part.notes]
    write_text(folder / NOTES, msgspec.json.encode(notes).decode())
    given = sum(part.given for part in parts)
    reasons = Counter(f"{row.stage}: {row.reason}" for row in rejected)
    return {"in": given, "out": given - reasons.total(), **dict(reasons.most_common())}


def _map(
    vocabulary: Vocabulary, classes: Sequence[str], meaning: Meaning | None, *, seed: int
) -> tuple[list[MapPoint], list[str]]:
    if meaning is None:
        return [], ["There is no map of tags: it wants audit.semantic = true."]
    try:
        return tag_map(vocabulary, classes, meaning, seed=seed), []
    except ConfigError as error:
        return [], [f"There is no map of tags: {error}"]


def _of_captions(
    config: AuditConfig, vocabulary: Vocabulary, folder: Path
) -> tuple[dict[str, Vocabulary], list[str]]:
    """Return the vocabulary, that which the text sources' captions give, and why there is none.

    The second is made by the same settings, and left in `folder`/texts/vocabulary with its facts.
    """
    found = {"": vocabulary}
    if not config.texts:
        return found, []
    target = folder / TEXTS / "vocabulary"
    target.mkdir(exist_ok=True)
    settings = replace(vocabulary.settings, sizes=(), frozen="")
    try:
        write_vocabulary([folder / TEXTS / "tags" / "tags.parquet"], settings, target)
    except ConfigError as error:
        return found, [f"The captions give no vocabulary of their own: {error}"]
    return {**found, ", tags of captions": Vocabulary.load(target / LOCK)}, []


def _said_by(vocabulary: Vocabulary) -> list[str]:
    """Return the vocabulary's tags, and all that was written for them."""
    written = (name for entry in vocabulary.entries for name in (entry.tag, *entry.aliases))
    return list(dict.fromkeys(written))
