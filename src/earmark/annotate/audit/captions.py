"""Captions without audio: read from JSONL, tagged, and compared with people's tags.

They are tagged as captions of audio are, in these folders:

    texts/captions.parquet   one row for each caption, its id NAME/ROW#NUMBER
    texts/answers/           the tagger's job: resumable, sealed shard by shard
    texts/tags/              tags.parquet and what could not be read
    texts/rejected.parquet   rows that hold no caption
    against/                 the same of a sample, by the second tagger
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from earmark.annotate.audit.config import AuditConfig, TextSource
from earmark.annotate.audit.counts import LabeledRows
from earmark.annotate.audit.labels import AuditPart, compare_labels
from earmark.annotate.audit.results import TaggerScore
from earmark.annotate.audit.statistics import TagStatisticsCounter
from earmark.annotate.audit.taggers import SampledCaption, compare_taggers, sample_captions
from earmark.annotate.backends.chat import ChatConfig
from earmark.annotate.backends.registry import TaggerConfig
from earmark.annotate.jobs.local import LocalRunnerConfig
from earmark.annotate.jobs.ray_runner import RayRunnerConfig
from earmark.annotate.jobs.run import run_job
from earmark.annotate.sentence_encoder import TextEmbedder
from earmark.annotate.tag import tag_job, write_tags
from earmark.annotate.vocabulary.domains import seed_domain
from earmark.config import ConfigError, suggest
from earmark.corpora.table_reader import TableRow, read_table_rows
from earmark.records import Caption, Rejected, TagSet
from earmark.tables import read_parquet, stream_parquet, write_parquet, write_stage_rows

AUDIT_STAGE = "audit"

ID_COLUMN = "id"
"""The column that names a row; its line number does where there is none."""


class TextRow(NamedTuple):
    """A row of a text source: its captions, and what people tagged of the same clip."""

    id: str
    captions: tuple[str, ...]
    labels: tuple[str, ...]


def inputs_digest(config: AuditConfig) -> str:
    """Return 12 hex digits over the contents of all files that an audit reads by its config.

    Raises:
        ConfigError: one of them is not there.
    """
    digest = hashlib.sha256()
    for path in (*(text.path for text in config.texts), *(each.path for each in config.lists)):
        try:
            with open(path, "rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError as error:
            raise ConfigError(f"audit: {path} cannot be read: {error.strerror}") from None
    return digest.hexdigest()[:12]


def read_text_source(source: TextSource) -> Iterator[TextRow | Rejected]:
    """Yield each row of a text source.

    A row is Rejected with stage "audit" for one of these reasons: "broken row" (no JSON object),
    "no caption" (the cell is blank or not there), "caption is no text" (a number, an object),
    "broken labels", "duplicate row" (an earlier row has its id).

    Raises:
        ConfigError: the file cannot be read, or no row has the columns that are asked for.
    """
    path = Path(source.path)
    seen: set[str] = set()
    columns: set[str] = set()
    for line in read_table_rows(path):
        columns.update(line.cells)
        row = _parse_row(source, line)
        if isinstance(row, TextRow) and row.id in seen:
            row = _reject(f"{source.name}/{row.id}", "duplicate row", f"{path}:{line.number}")
        elif isinstance(row, TextRow):
            seen.add(row.id)
        yield row
    for column in filter(None, (source.captions, source.labels)):
        if column not in columns:
            raise ConfigError(
                f"audit.texts: no row of {path} has {column!r}.{suggest(column, columns)}"
            )


def write_captions(sources: Sequence[TextSource], folder: Path) -> dict[str, int]:
    """Write captions.parquet and rejected.parquet into `folder`; returns counts."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_stage_rows(folder, "captions.parquet", _iter_captions(sources), Caption)


def tag_captions(
    captions: Path, tagger: TaggerConfig, where: LocalRunnerConfig | RayRunnerConfig, folder: Path
) -> tuple[dict[str, TagSet], list[Rejected]]:
    """Tag a table of captions; returns the tags by caption, and the captions that have none.

    What is already answered is not asked again. Raises as `run_job`.
    """
    answers, tags = folder / "answers", folder / "tags"
    run_job(tag_job(captions, tagger, answers), where)
    tags.mkdir(exist_ok=True)
    write_tags(answers, tags)
    rejected = [
        Rejected(id=row.id, stage=AUDIT_STAGE, reason=row.reason, detail=row.detail)
        for part in (answers, tags)
        for row in stream_parquet(part / "rejected.parquet", Rejected)
    ]
    return {row.id: row for row in read_parquet(tags / "tags.parquet", TagSet)}, rejected


def tagger_title(tagger: TaggerConfig) -> str:
    """Return what a tagger is called in tables: its kind, and its model where it has one."""
    kind = str(type(tagger).__struct_config__.tag)
    return f"{kind} {tagger.model}" if isinstance(tagger, ChatConfig) else kind


def caption_id(source: str, row: str, number: int) -> str:
    """Return the id of the `number`-th caption of a row, counted from 0."""
    return f"{source}/{row}#{number}"


def _iter_captions(sources: Sequence[TextSource]) -> Iterator[Caption | Rejected]:
    for source in sources:
        for row in read_text_source(source):
            if isinstance(row, Rejected):
                yield row
                continue
            for number, text in enumerate(row.captions):
                name = caption_id(source.name, row.id, number)
                yield Caption(id=name, text=text, summary="", backend=source.name)


def _parse_row(source: TextSource, line: TableRow) -> TextRow | Rejected:
    own = line.cells.get(ID_COLUMN)
    name = str(own) if isinstance(own, str | int) and own != "" else str(line.number)
    at = f"{source.path}:{line.number}"
    if line.fault:
        return _reject(f"{source.name}/{name}", "broken row", f"{at}: {line.fault}")
    captions = _cell_texts(line.cells.get(source.captions))
    if captions is None:
        return _reject(f"{source.name}/{name}", "caption is no text", at)
    if not captions:
        return _reject(f"{source.name}/{name}", "no caption", at)
    labels = _cell_texts(line.cells.get(source.labels)) if source.labels else ()
    if labels is None:
        return _reject(f"{source.name}/{name}", "broken labels", at)
    return TextRow(name, captions, tuple(dict.fromkeys(labels)))


def _cell_texts(cell: Any) -> tuple[str, ...] | None:
    """Return the texts of a cell, blank ones left out; None where it holds anything else."""
    cells: list[Any] = cell if isinstance(cell, list) else [] if cell is None else [cell]
    if not all(isinstance(text, str) for text in cells):
        return None
    return tuple(text.strip() for text in cells if text.strip())


def _reject(name: str, reason: str, detail: str) -> Rejected:
    return Rejected(id=name, stage=AUDIT_STAGE, reason=reason, detail=detail)


TEXTS_FOLDER, AGAINST_FOLDER = "texts", "against"
"""Where the captions are tagged, and where a sample of them is by the second tagger."""

TagSets = Mapping[str, TagSet]


def audit_captions(
    config: AuditConfig,
    tagger: TaggerConfig,
    where: LocalRunnerConfig | RayRunnerConfig,
    meaning: TextEmbedder | None,
    folder: Path,
    *,
    seed: int,
) -> AuditPart:
    """Return what the text sources show; their captions are tagged in `folder`/texts.

    A caption whose tags could not be read is in no figure: it is Rejected, and a note counts it.
    """
    if not config.texts:
        return AuditPart(notes=("No text sources were given: there is no study of captions.",))
    counts = write_captions(config.texts, folder / TEXTS_FOLDER)
    captions = folder / TEXTS_FOLDER / "captions.parquet"
    found, lost = tag_captions(captions, tagger, where, folder / TEXTS_FOLDER)
    broken = read_parquet(folder / TEXTS_FOLDER / "rejected.parquet", Rejected)
    rows = {source.name: list(_read_samples(source)) for source in config.texts}
    parts = [
        _audit_source(source, rows[source.name], (tagger, found), config, meaning, seed=seed)
        for source in config.texts
    ]
    scores, note = _compare_taggers(
        config, rows, (tagger, found), where, folder / AGAINST_FOLDER, seed=seed
    )
    return AuditPart(
        given=counts["in"],
        agreement=tuple(row for part in parts for row in part.agreement),
        shapes=tuple(row for part in parts for row in part.shapes),
        parsers=tuple(scores),
        rejected=(*broken, *lost),
        notes=(*(note for part in parts for note in part.notes), *note),
    )


def _audit_source(
    source: TextSource,
    rows: Sequence[SampledCaption],
    tagged: tuple[TaggerConfig, TagSets],
    config: AuditConfig,
    meaning: TextEmbedder | None,
    *,
    seed: int,
) -> AuditPart:
    """Return what the captions of a source show, of which those that were read."""
    tagger, found = tagged
    tally, labelled = TagStatisticsCounter(seed_domain, meaning), LabeledRows()
    read = [row for row in rows if row.id in found]
    for row in read:
        tags = found[row.id].tags
        tally.add(tags)
        labelled.append(row.recording, source.domain or "", tags, row.labels)
    whole = tally.shape(source.name, tagger_title(tagger))
    lost = len(rows) - len(read)
    notes = (
        f"{source.name}: the tags of {lost} of {len(rows)} captions could not be read; no figure "
        "goes over them.",
    )
    if not source.labels:
        return AuditPart(shapes=(whole,), notes=notes if lost else ())
    against = compare_labels(
        *(source.name, source.labels, labelled, meaning),
        resamples=config.resamples,
        seed=seed,
    )
    return replace(against, shapes=(whole,), notes=(*(notes if lost else ()), *against.notes))


def _compare_taggers(
    config: AuditConfig,
    rows: Mapping[str, Sequence[SampledCaption]],
    first: tuple[TaggerConfig, TagSets],
    where: LocalRunnerConfig | RayRunnerConfig,
    folder: Path,
    *,
    seed: int,
) -> tuple[list[TaggerScore], list[str]]:
    """Ask the second tagger for a sample of each source; return scores, and notes."""
    if config.against is None:
        return [], ["No second tagger was given (audit.against): there is no parser study."]
    rng = np.random.default_rng(seed)
    samples = {name: sample_captions(own, config.sample, rng) for name, own in rows.items()}
    second, _ = tag_captions(_write_samples(samples, folder), config.against, where, folder)
    names = tagger_title(first[0]), tagger_title(config.against)
    if names[0] == names[1]:
        names = names[0], f"{names[1]} (against)"
    taggers = {
        name: {caption: row.tags for caption, row in found.items()}
        for name, found in zip(names, (first[1], second), strict=True)
    }
    scores = [
        score
        for name, own in samples.items()
        for score in compare_taggers(name, own, taggers, resamples=config.resamples, seed=seed)
    ]
    return scores, []


def _write_samples(samples: Mapping[str, Sequence[SampledCaption]], folder: Path) -> Path:
    """Write the sampled captions of all sources as one table; returns its path."""
    folder.mkdir(exist_ok=True)
    captions = (
        Caption(id=row.id, text=row.text, summary="", backend=name)
        for name, own in samples.items()
        for row in own
    )
    write_parquet(folder / "captions.parquet", captions, Caption)
    return folder / "captions.parquet"


def _read_samples(source: TextSource) -> list[SampledCaption]:
    return [
        SampledCaption(
            caption_id(source.name, row.id, number),
            caption_id(source.name, row.id, 0),
            text,
            row.labels,
        )
        for row in read_text_source(source)
        if isinstance(row, TextRow)
        for number, text in enumerate(row.captions)
    ]
