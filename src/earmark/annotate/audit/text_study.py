"""Captions without audio: the shape of their tags, and both taggers against people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from earmark.annotate.audit.captions import (
    SourceRow,
    caption_id,
    read_source,
    tag_texts,
    title,
    write_texts,
)
from earmark.annotate.audit.config import AuditConfig, TextSource
from earmark.annotate.audit.labelled import Labelled
from earmark.annotate.audit.part import Part, held_against
from earmark.annotate.audit.results import ParserScore
from earmark.annotate.audit.statistics import ShapeTally
from earmark.annotate.audit.taggers import Sampled, compare, sample
from earmark.annotate.backends.registry import TaggerConfig
from earmark.annotate.jobs.local import LocalConfig
from earmark.annotate.jobs.ray_runner import RayConfig
from earmark.annotate.sentence_encoder import Meaning
from earmark.annotate.vocabulary.domains import seed_domain
from earmark.records import Caption, Rejected, TagSet, read_parquet, write_parquet

TEXTS, AGAINST = "texts", "against"
"""Where the captions are tagged, and where a sample of them is by the second tagger."""

Tags = Mapping[str, TagSet]


def audit_texts(
    config: AuditConfig,
    tagger: TaggerConfig,
    where: LocalConfig | RayConfig,
    meaning: Meaning | None,
    folder: Path,
    *,
    seed: int,
) -> Part:
    """Return what the text sources show; their captions are tagged in `folder`/texts.

    A caption whose tags could not be read is in no figure: it is Rejected, and a note counts it.
    """
    if not config.texts:
        return Part(notes=("No text sources were given: there is no study of captions.",))
    counts = write_texts(config.texts, folder / TEXTS)
    captions = folder / TEXTS / "captions.parquet"
    found, lost = tag_texts(captions, tagger, where, folder / TEXTS)
    broken = read_parquet(folder / TEXTS / "rejected.parquet", Rejected)
    rows = {source.name: list(_sampled(source)) for source in config.texts}
    parts = [
        _audit_source(source, rows[source.name], (tagger, found), config, meaning, seed=seed)
        for source in config.texts
    ]
    scores, note = _parsers(config, rows, (tagger, found), where, folder / AGAINST, seed=seed)
    return Part(
        given=counts["in"],
        agreement=tuple(row for part in parts for row in part.agreement),
        shapes=tuple(row for part in parts for row in part.shapes),
        parsers=tuple(scores),
        rejected=(*broken, *lost),
        notes=(*(note for part in parts for note in part.notes), *note),
    )


def _audit_source(
    source: TextSource,
    rows: Sequence[Sampled],
    tagged: tuple[TaggerConfig, Tags],
    config: AuditConfig,
    meaning: Meaning | None,
    *,
    seed: int,
) -> Part:
    """Return what the captions of a source show, of which those that were read."""
    tagger, found = tagged
    tally, labelled = ShapeTally(seed_domain, meaning), Labelled()
    read = [row for row in rows if row.id in found]
    for row in read:
        tags = found[row.id].tags
        tally.add(tags)
        labelled.append(row.recording, source.domain or "", tags, row.labels)
    whole = tally.shape(source.name, title(tagger))
    lost = len(rows) - len(read)
    notes = (
        f"{source.name}: the tags of {lost} of {len(rows)} captions could not be read; no figure "
        "goes over them.",
    )
    if not source.labels:
        return Part(shapes=(whole,), notes=notes if lost else ())
    against = held_against(
        *(source.name, source.labels, labelled, meaning),
        resamples=config.resamples,
        seed=seed,
    )
    return replace(against, shapes=(whole,), notes=(*(notes if lost else ()), *against.notes))


def _parsers(
    config: AuditConfig,
    rows: Mapping[str, Sequence[Sampled]],
    first: tuple[TaggerConfig, Tags],
    where: LocalConfig | RayConfig,
    folder: Path,
    *,
    seed: int,
) -> tuple[list[ParserScore], list[str]]:
    """Ask the second tagger for a sample of each source; return scores, and notes."""
    if config.against is None:
        return [], ["No second tagger was given (audit.against): there is no parser study."]
    rng = np.random.default_rng(seed)
    samples = {name: sample(own, config.sample, rng) for name, own in rows.items()}
    second, _ = tag_texts(_write_samples(samples, folder), config.against, where, folder)
    names = title(first[0]), title(config.against)
    if names[0] == names[1]:
        names = names[0], f"{names[1]} (against)"
    taggers = {
        name: {caption: row.tags for caption, row in found.items()}
        for name, found in zip(names, (first[1], second), strict=True)
    }
    scores = [
        score
        for name, own in samples.items()
        for score in compare(name, own, taggers, resamples=config.resamples, seed=seed)
    ]
    return scores, []


def _write_samples(samples: Mapping[str, Sequence[Sampled]], folder: Path) -> Path:
    """Write the sampled captions of all sources as one table; returns its path."""
    folder.mkdir(exist_ok=True)
    captions = (
        Caption(id=row.id, text=row.text, summary="", backend=name)
        for name, own in samples.items()
        for row in own
    )
    write_parquet(folder / "captions.parquet", captions, Caption)
    return folder / "captions.parquet"


def _sampled(source: TextSource) -> list[Sampled]:
    return [
        Sampled(
            caption_id(source.name, row.id, number),
            caption_id(source.name, row.id, 0),
            text,
            row.labels,
        )
        for row in read_source(source)
        if isinstance(row, SourceRow)
        for number, text in enumerate(row.captions)
    ]
