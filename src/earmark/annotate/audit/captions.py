"""Captions without audio: read from JSONL, and tagged as captions of audio are.

texts/captions.parquet   one row for each caption, its id NAME/ROW#NUMBER
texts/answers/           the tagger's job: resumable, sealed shard by shard
texts/tags/              tags.parquet and what could not be read
texts/rejected.parquet   rows that hold no caption
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from earmark.annotate.audit.config import AuditConfig, TextSource
from earmark.annotate.backends.chat import ChatConfig
from earmark.annotate.backends.registry import TaggerConfig
from earmark.annotate.jobs.local import LocalConfig
from earmark.annotate.jobs.ray_runner import RayConfig
from earmark.annotate.jobs.run import answer_all
from earmark.annotate.tag import tag_job, write_tags
from earmark.config import ConfigError, nearest
from earmark.corpora.table_reader import Line, read_lines
from earmark.records import Caption, Rejected, TagSet, read_parquet, stream_parquet, write_outcome

STAGE = "audit"
ID = "id"
"""The column that names a row; its line number does where there is none."""


class SourceRow(NamedTuple):
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


def read_source(source: TextSource) -> Iterator[SourceRow | Rejected]:
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
    for line in read_lines(path):
        columns.update(line.cells)
        row = _row(source, line)
        if isinstance(row, SourceRow) and row.id in seen:
            row = _rejected(f"{source.name}/{row.id}", "duplicate row", f"{path}:{line.number}")
        elif isinstance(row, SourceRow):
            seen.add(row.id)
        yield row
    for column in filter(None, (source.captions, source.labels)):
        if column not in columns:
            raise ConfigError(
                f"audit.texts: no row of {path} has {column!r}.{nearest(column, columns)}"
            )


def write_texts(sources: Sequence[TextSource], folder: Path) -> dict[str, int]:
    """Write captions.parquet and rejected.parquet into `folder`; returns counts."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_outcome(folder, "captions.parquet", _captions(sources), Caption)


def tag_texts(
    captions: Path, tagger: TaggerConfig, where: LocalConfig | RayConfig, folder: Path
) -> tuple[dict[str, TagSet], list[Rejected]]:
    """Tag a table of captions; returns the tags by caption, and the captions that have none.

    What is already answered is not asked again. Raises as `answer_all`.
    """
    answers, tags = folder / "answers", folder / "tags"
    answer_all(tag_job(captions, tagger, answers), where)
    tags.mkdir(exist_ok=True)
    write_tags(answers, tags)
    rejected = [
        Rejected(id=row.id, stage=STAGE, reason=row.reason, detail=row.detail)
        for part in (answers, tags)
        for row in stream_parquet(part / "rejected.parquet", Rejected)
    ]
    return {row.id: row for row in read_parquet(tags / "tags.parquet", TagSet)}, rejected


def title(tagger: TaggerConfig) -> str:
    """Return what a tagger is called in tables: its kind, and its model where it has one."""
    kind = str(type(tagger).__struct_config__.tag)
    return f"{kind} {tagger.model}" if isinstance(tagger, ChatConfig) else kind


def caption_id(source: str, row: str, number: int) -> str:
    """Return the id of the `number`-th caption of a row, counted from 0."""
    return f"{source}/{row}#{number}"


def _captions(sources: Sequence[TextSource]) -> Iterator[Caption | Rejected]:
    for source in sources:
        for row in read_source(source):
            if isinstance(row, Rejected):
                yield row
                continue
            for number, text in enumerate(row.captions):
                name = caption_id(source.name, row.id, number)
                yield Caption(id=name, text=text, summary="", backend=source.name)


def _row(source: TextSource, line: Line) -> SourceRow | Rejected:
    own = line.cells.get(ID)
    name = str(own) if isinstance(own, str | int) and own != "" else str(line.number)
    at = f"{source.path}:{line.number}"
    if line.fault:
        return _rejected(f"{source.name}/{name}", "broken row", f"{at}: {line.fault}")
    captions = _texts(line.cells.get(source.captions))
    if captions is None:
        return _rejected(f"{source.name}/{name}", "caption is no text", at)
    if not captions:
        return _rejected(f"{source.name}/{name}", "no caption", at)
    labels = _texts(line.cells.get(source.labels)) if source.labels else ()
    if labels is None:
        return _rejected(f"{source.name}/{name}", "broken labels", at)
    return SourceRow(name, captions, tuple(dict.fromkeys(labels)))


def _texts(cell: Any) -> tuple[str, ...] | None:
    """Return the texts of a cell, blank ones left out; None where it holds anything else."""
    cells: list[Any] = cell if isinstance(cell, list) else [] if cell is None else [cell]
    if not all(isinstance(text, str) for text in cells):
        return None
    return tuple(text.strip() for text in cells if text.strip())


def _rejected(name: str, reason: str, detail: str) -> Rejected:
    return Rejected(id=name, stage=STAGE, reason=reason, detail=detail)
