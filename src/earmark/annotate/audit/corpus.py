"""The clips of a corpus: their tags, held against what people labelled them."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from earmark.annotate.vocabulary.choosing.domains import seed_domain
from earmark.config import ConfigError, nearest
from earmark.records import Clip, Rejected, TagSet, stream_parquet

from .config import AuditConfig
from .match import ClassNames
from .meaning import Meaning
from .names import lemmas_of, words_of
from .part import Labelled, Part, held_against
from .shape import shape

CORPUS = "corpus"
"""What the clips are called beside text sources."""

DOMAIN = "domain"
"""The label field that says a clip's domain, where the corpus has it."""


def audit_corpus(
    clips: Path,
    tags: Path,
    tagger: str,
    config: AuditConfig,
    meaning: Meaning | None,
    *,
    seed: int,
) -> Part:
    """Return what a corpus shows; `tagger` is the name of who tagged it. Raises as `choose_fields`.

    A clip without a row of tags is Rejected with the reason "no tags": a stage before lost it.
    """
    rows, rejected = read_corpus(clips, tags)
    fields, passed_over = choose_fields(rows, config.fields)
    parts = [
        held_against(CORPUS, field, rows, meaning, resamples=config.resamples, seed=seed)
        for field in fields
    ]
    notes = [note for part in parts for note in part.notes]
    if passed_over:
        words = ", ".join(passed_over)
        notes.append(f"No tag names a value of the label fields {words}: they are not compared.")
    if not fields:
        notes.append("The corpus has no labels that tags could be held against.")
    whole = shape(CORPUS, tagger, [row.tags for row in rows], seed_domain, meaning)
    return Part(
        given=len(rows) + len(rejected),
        agreement=tuple(row for part in parts for row in part.agreement),
        shapes=(whole,),
        rejected=tuple(rejected),
        notes=tuple(notes),
    )


def read_corpus(clips: Path, tags: Path) -> tuple[list[Labelled], list[Rejected]]:
    """Return the clips that have tags, and those that have none."""
    found: dict[str, tuple[str, ...]] = {}
    for row in stream_parquet(tags, TagSet):
        found[row.id] = tuple(map(sys.intern, row.tags))
    rows: list[Labelled] = []
    rejected: list[Rejected] = []
    for clip in stream_parquet(clips, Clip):
        own = found.get(clip.id)
        if own is None:
            rejected.append(Rejected(id=clip.id, stage="audit", reason="no tags"))
            continue
        recording = clip.recording or clip.parent or clip.id
        domain = "".join(clip.labels.get(DOMAIN, ())[:1])
        rows.append(Labelled(recording, domain, own, clip.labels))
    return rows, rejected


def choose_fields(
    rows: Sequence[Labelled], asked: tuple[str, ...] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the label fields that are compared, and those that are passed over.

    Where none are asked for, a field is compared if the tags of the corpus name one of its values
    by lemma: ages, folds and names of speakers are no names of sounds.

    Raises:
        ConfigError: a field that is asked for is in no clip's labels.
    """
    values: dict[str, set[str]] = {}
    for row in rows:
        for field, labels in row.labels.items():
            values.setdefault(field, set()).update(labels)
    if asked is not None:
        for field in asked:
            if field not in values:
                raise ConfigError(
                    f"audit.fields: no clip has the label field {field!r}.{nearest(field, values)}"
                )
        return asked, ()
    lemmas = _lemmas(row.tags for row in rows)
    named = {field for field, names in values.items() if ClassNames(tuple(names)).said(lemmas)}
    return tuple(sorted(named)), tuple(sorted(values.keys() - named))


def _lemmas(tag_sets: Iterable[Sequence[str]]) -> set[str]:
    distinct = {tag for tags in tag_sets for tag in tags}
    return {lemma for tag in distinct for lemma in lemmas_of(words_of(tag))}
