"""The clips of a corpus: their tags against the labels that people gave them.

The tables are streamed once for each question, so that memory does not grow with the corpus, and
nothing is kept of a clip without labels. `compare_labels` serves captions without audio too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earmark.annotate.audit.config import CORPUS_SOURCE, AuditConfig, check_fields
from earmark.annotate.audit.counts import MIN_CLIPS, LabeledRows, compute_agreement
from earmark.annotate.audit.matching import (
    alternative_names,
    build_matchers,
    split_words,
    word_lemmas,
)
from earmark.annotate.audit.results import Agreement, TaggerScore, TagStatistics
from earmark.annotate.audit.statistics import TagStatisticsCounter
from earmark.annotate.sentence_encoder import TextEmbedder
from earmark.annotate.vocabulary.domains import seed_domain
from earmark.records import Rejected
from earmark.tables import ROW_GROUP_SIZE


@dataclass(frozen=True)
class AuditPart:
    """Rows of the tables; `given` clips or captions came in, `rejected` of them are not in it.

    `notes` say in sentences what a table cannot.
    """

    given: int = 0
    agreement: tuple[Agreement, ...] = ()
    shapes: tuple[TagStatistics, ...] = ()
    parsers: tuple[TaggerScore, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = ()


def compare_labels(
    source: str,
    field: str,
    rows: LabeledRows,
    meaning: TextEmbedder | None,
    *,
    resamples: int,
    seed: int,
) -> AuditPart:
    """Return the agreement of tags with one label field, over the rows that have a label of it.

    Labels that deny ("no voices") are counted in a note.
    """
    if not len(rows):
        return AuditPart(notes=(f"{source} has no labels in the field {field!r}.",))
    made = build_matchers(list(rows.labels.names), list(rows.tags.names), meaning)
    found = compute_agreement(source, field, rows, made, resamples=resamples, seed=seed)
    return AuditPart(agreement=tuple(found), notes=tuple(_label_notes(source, field, rows)))


def _label_notes(source: str, field: str, rows: LabeledRows) -> Iterator[str]:
    rare = int((rows.labels.uses() < MIN_CLIPS).sum())
    if rows.denied:
        yield (
            f"{source}, {field}: {rows.denied} labels say what is not heard (no voices) and are "
            "left out."
        )
    if rare:
        yield (
            f"{source}, {field}: {rare} of {len(rows.labels.names)} labels are carried by fewer "
            f"than {MIN_CLIPS} clips; they count in the whole, and have no row of their own."
        )


Cells = tuple[Any, ...]


def join_tags(
    clips: Path, tags: Path, *columns: str, fields: Sequence[str] = ()
) -> Iterator[tuple[Cells, tuple[str, ...] | None]]:
    """Yield cells of each clip, as `read_columns`, and its tags; None where it has no row of tags.

    Tags stand in the order of their clips, so two rows at a time are enough. Where they do not,
    all of them are held in memory.

    Raises:
        ValueError: a table has not the columns.
    """
    rows = read_columns(clips, "id", *columns, fields=fields)
    if not _tags_in_order(clips, tags):
        held = {name: tuple(own) for name, own in read_columns(tags, "id", "tags")}
        yield from ((tuple(cells), held.get(name)) for name, *cells in rows)
        return
    waiting = read_columns(tags, "id", "tags")
    tagged, own = next(waiting, (None, ()))
    for name, *cells in rows:
        if name != tagged:
            yield tuple(cells), None
            continue
        yield tuple(cells), tuple(own)
        tagged, own = next(waiting, (None, ()))


def read_columns(path: Path, *columns: str, fields: Sequence[str] = ()) -> Iterator[Cells]:
    """Yield some columns of a table, row by row, in bounded memory: faster than whole rows.

    After them come the labels of some label fields, a list each, None where a clip has none.

    Raises:
        ValueError: the table has not the columns.
    """
    for batch in _batches(path, *columns, *(["labels"] if fields else ())):
        cells = [batch.column(name).to_pylist() for name in columns]
        labels = (_label_column(batch.column("labels"), field) for field in fields)
        yield from zip(*cells, *labels, strict=True)


def _label_column(labels: Any, field: str) -> list[list[str] | None]:
    import pyarrow as pa
    import pyarrow.compute as pc

    options = pc.MapLookupOptions(pa.scalar(field), "first")
    return pc.call_function("map_lookup", [labels], options).to_pylist()


def label_values(clips: Path) -> Iterator[tuple[str, str]]:
    """Yield (field, label) of clips, each pair once for every few thousand clips that have it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for batch in _batches(clips, "labels"):
        fields, labels = batch.column("labels").keys, batch.column("labels").items
        pairs = pa.table(
            [fields.take(pc.call_function("list_parent_indices", [labels])), labels.flatten()],
            ["f", "l"],
        )
        once = pairs.group_by(["f", "l"]).aggregate([])
        yield from zip(once.column("f").to_pylist(), once.column("l").to_pylist(), strict=True)


def _tags_in_order(clips: Path, tags: Path) -> bool:
    """Return whether tags stand in the order of their clips, at most one row for each."""
    waiting = read_columns(tags, "id")
    tagged = next(waiting, None)
    for name in read_columns(clips, "id"):
        if name == tagged:
            tagged = next(waiting, None)
    return tagged is None


def _batches(path: Path, *columns: str) -> Iterator[Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        if missing := set(columns).difference(file.schema_arrow.names):
            raise ValueError(f"{path} has no column {min(missing)!r}")
        yield from file.iter_batches(ROW_GROUP_SIZE, columns=list(columns), use_threads=False)


DOMAIN_FIELD = "domain"
"""The label field that says a clip's domain, where the corpus has it."""


def audit_corpus(
    clips: Path,
    tags: Path,
    tagger: str,
    config: AuditConfig,
    meaning: TextEmbedder | None,
    *,
    seed: int,
) -> AuditPart:
    """Return what a corpus shows; `tagger` is the name of who tagged it. Raises as `choose_fields`.

    A clip without a row of tags is Rejected with the reason "no tags": a stage before lost it.
    """
    tally = TagStatisticsCounter(seed_domain, meaning)
    rejected = tuple(_count_tags(clips, tags, tally))
    whole = tally.shape(CORPUS_SOURCE, tagger)
    fields, passed_over = choose_fields(label_values(clips), tally.distinct, config.fields)
    rows = read_labeled_clips(clips, tags, fields)
    parts = [
        compare_labels(CORPUS_SOURCE, field, own, meaning, resamples=config.resamples, seed=seed)
        for field, own in rows.items()
    ]
    return AuditPart(
        given=whole.captions + len(rejected),
        agreement=tuple(row for part in parts for row in part.agreement),
        shapes=(whole,),
        rejected=rejected,
        notes=(
            *(note for part in parts for note in part.notes),
            *_field_notes(fields, passed_over),
        ),
    )


def _field_notes(fields: Collection[str], passed_over: Collection[str]) -> Iterable[str]:
    if passed_over:
        words = ", ".join(passed_over)
        yield f"No tag names a value of the label fields {words}: they are not compared."
    if not fields:
        yield "The corpus has no labels that tags could be held against."


def _count_tags(clips: Path, tags: Path, tally: TagStatisticsCounter) -> Iterable[Rejected]:
    """Count the tags of all clips; yields the clips that have none."""
    for (name,), own in join_tags(clips, tags, "id"):
        if own is None:
            yield Rejected(id=name, stage="audit", reason="no tags")
        else:
            tally.add(own)


def read_labeled_clips(clips: Path, tags: Path, fields: Collection[str]) -> dict[str, LabeledRows]:
    """Return the clips that have tags, and labels in each of the fields."""
    found = {field: LabeledRows() for field in fields}
    if not found:
        return found
    cells = join_tags(clips, tags, "id", "recording", "parent", fields=(DOMAIN_FIELD, *found))
    for (name, recording, parent, domain, *labels), own in cells:
        if own is None:
            continue
        for rows, given in zip(found.values(), labels, strict=True):
            if given:
                rows.append(recording or parent or name, "".join((domain or ())[:1]), own, given)
    return found


def choose_fields(
    values: Iterable[tuple[str, str]], tags: Iterable[str], asked: tuple[str, ...] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the label fields that are compared, and those that are passed over.

    Where none are asked for, a field is compared if the tags of the corpus name one of its values
    by lemma: ages, folds and names of speakers are no names of sounds.

    Args:
        values: (field, label) of all clips.
        tags: all distinct tags.
        asked: the fields that were asked for.

    Raises:
        ConfigError: a field that is asked for is in no clip's labels.
    """
    if asked is not None:
        check_fields(asked, {field for field, _ in values})
        return asked, ()
    lemmas = {lemma for tag in tags for lemma in word_lemmas(split_words(tag))}
    named: dict[str, bool] = {}
    for field, label in values:
        if not named.setdefault(field, False):
            named[field] = any(word_lemmas(words) <= lemmas for words in alternative_names(label))
    return (
        tuple(sorted(field for field in named if named[field])),
        tuple(sorted(field for field in named if not named[field])),
    )
