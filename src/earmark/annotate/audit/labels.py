"""The clips of a corpus: their tags, held against what people labelled them.

The tables are gone through once for each question, and nothing is kept of a clip without labels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from earmark.annotate.audit.check import check_fields
from earmark.annotate.audit.config import CORPUS, AuditConfig
from earmark.annotate.audit.joined import joined, label_values
from earmark.annotate.audit.labelled import Labelled
from earmark.annotate.audit.names import alternatives, lemmas_of, words_of
from earmark.annotate.audit.part import Part, held_against
from earmark.annotate.audit.statistics import ShapeTally
from earmark.annotate.sentence_encoder import Meaning
from earmark.annotate.vocabulary.domains import seed_domain
from earmark.records import Rejected

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
    tally = ShapeTally(seed_domain, meaning)
    rejected = tuple(_count(clips, tags, tally))
    whole = tally.shape(CORPUS, tagger)
    fields, passed_over = choose_fields(label_values(clips), tally.distinct, config.fields)
    rows = read_labels(clips, tags, fields)
    parts = [
        held_against(CORPUS, field, own, meaning, resamples=config.resamples, seed=seed)
        for field, own in rows.items()
    ]
    return Part(
        given=whole.captions + len(rejected),
        agreement=tuple(row for part in parts for row in part.agreement),
        shapes=(whole,),
        rejected=rejected,
        notes=(*(note for part in parts for note in part.notes), *_notes(fields, passed_over)),
    )


def _notes(fields: Collection[str], passed_over: Collection[str]) -> Iterable[str]:
    if passed_over:
        words = ", ".join(passed_over)
        yield f"No tag names a value of the label fields {words}: they are not compared."
    if not fields:
        yield "The corpus has no labels that tags could be held against."


def _count(clips: Path, tags: Path, tally: ShapeTally) -> Iterable[Rejected]:
    """Count the tags of all clips; yields the clips that have none."""
    for (name,), own in joined(clips, tags, "id"):
        if own is None:
            yield Rejected(id=name, stage="audit", reason="no tags")
        else:
            tally.add(own)


def read_labels(clips: Path, tags: Path, fields: Collection[str]) -> dict[str, Labelled]:
    """Return the clips that have tags, and labels in each of the fields."""
    found = {field: Labelled() for field in fields}
    if not found:
        return found
    cells = joined(clips, tags, "id", "recording", "parent", fields=(DOMAIN, *found))
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
    lemmas = {lemma for tag in tags for lemma in lemmas_of(words_of(tag))}
    named: dict[str, bool] = {}
    for field, label in values:
        if not named.setdefault(field, False):
            named[field] = any(lemmas_of(words) <= lemmas for words in alternatives(label))
    return (
        tuple(sorted(field for field in named if named[field])),
        tuple(sorted(field for field in named if not named[field])),
    )
