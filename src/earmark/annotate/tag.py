"""Caption to tags: the tagger's job, and how its answers become tags.

Two steps, so that a better parser can be run over stored answers without a single request.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from earmark.annotate.jobs.answers import Answer, stream_answers
from earmark.annotate.jobs.job import BackendConfig, Job, PromptTable
from earmark.annotate.parsing.tags import ParsedTags, parse_tags
from earmark.io import write_text
from earmark.records import Rejected, TagSet
from earmark.tables import write_stage_rows

UNREADABLE_TAGS = "no tags to be read"
PARSE_REPORT_FILE = "parse.json"


class ParseReport(msgspec.Struct, frozen=True, kw_only=True):
    """How many answers there were, how many could be read, and what had to be repaired how often.

    An answer may need several repairs.
    """

    answers: int
    parsed: int
    repairs: dict[str, int]

    @property
    def rate(self) -> float:
        """Return the share of answers that could be read, 0 to 1."""
        return self.parsed / self.answers if self.answers else 0.0

    def __str__(self) -> str:
        """Return one line for people."""
        repaired = ", ".join(f"{count} {name}" for name, count in self.repairs.items())
        return f"tag: {self.rate:.1%} of {self.answers} answers read; repairs: {repaired or 'none'}"


def tag_job(captions: Path, backend: BackendConfig, folder: Path) -> Job:
    """Return the job of tagging a table of captions; an unreadable answer is drawn once more."""
    return Job("tag-raw", PromptTable(captions, "text"), backend, _tag_fault, folder)


def write_tags(answers: Path, folder: Path) -> dict[str, int]:
    """Read the answers in the folder `answers`; write tags.parquet and rejected.parquet.

    parse.json says how many could be read at all, and how many were repaired, by repair. Returns
    counts; what comes in is what was answered at all.
    """
    repairs = Counter[str]()
    counts = write_stage_rows(folder, "tags.parquet", _parse_answers(answers, repairs), TagSet)
    report = ParseReport(
        answers=counts["in"], parsed=counts["out"], repairs=dict(repairs.most_common())
    )
    encoded = msgspec.json.format(msgspec.json.encode(report))
    write_text(folder / PARSE_REPORT_FILE, encoded.decode())
    return counts


def read_parse_report(folder: Path) -> ParseReport:
    """Return what `write_tags` found out about the answers."""
    return msgspec.json.decode((folder / PARSE_REPORT_FILE).read_bytes(), type=ParseReport)


def tags_from_answer(answer: Answer) -> tuple[TagSet | Rejected, tuple[str, ...]]:
    """Return the tags of the first draw that can be read, and the repairs that this took."""
    draws = [draw for draw in (answer.text, answer.first_draw) if draw]
    read = [found for draw in draws if (found := _parse_nonempty(draw)) is not None]
    if not read:
        rejected = Rejected(
            id=answer.id, stage="tag", reason=UNREADABLE_TAGS, detail=answer.text.strip()[:200]
        )
        return rejected, ()
    return TagSet(id=answer.id, tags=read[0].tags, backend=answer.backend), read[0].repairs


def _parse_answers(answers: Path, repairs: Counter[str]) -> Iterator[TagSet | Rejected]:
    for answer in stream_answers(answers):
        if answer.status == "ok":
            row, repaired = tags_from_answer(answer)
            repairs.update(repaired)
            yield row


def has_tags(text: str) -> bool:
    """Return whether any tags can be read from an answer."""
    return _parse_nonempty(text) is not None


def _parse_nonempty(text: str) -> ParsedTags | None:
    found = parse_tags(text)
    return found if found is not None and found.tags else None


def _tag_fault(text: str, finish_reason: str) -> str | None:
    return None if has_tags(text) else UNREADABLE_TAGS
