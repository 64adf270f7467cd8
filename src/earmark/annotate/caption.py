"""Clip to caption: the captioner's job, and how its answers become captions.

Two steps, so that a better rule can be run over stored answers without a single request.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from earmark.annotate.jobs.answers import Answer, stream_answers
from earmark.annotate.jobs.job import BackendConfig, Job, PromptTable
from earmark.annotate.parsing.lint import LintConfig, lint_caption
from earmark.annotate.parsing.summary import extract_summary
from earmark.records import Caption, Rejected
from earmark.tables import write_stage_rows


def caption_job(
    clips: Path, backend: BackendConfig, config: LintConfig, instruction: str, folder: Path
) -> Job:
    """Return the job of captioning a table of clips; a caption with a fault is drawn once more."""
    fault = partial(_lint_fault, config, instruction)
    return Job("caption-raw", PromptTable(clips, "audio"), backend, fault, folder)


def write_captions(
    answers: Path, config: LintConfig, instruction: str, folder: Path
) -> dict[str, int]:
    """Read the answers in the folder `answers`; write captions.parquet and rejected.parquet.

    `instruction` is what the captioner was asked, which no caption should repeat. Returns counts;
    what comes in is what was answered at all.
    """
    rows = (
        caption_from_answer(answer, config, instruction)
        for answer in stream_answers(answers)
        if answer.status == "ok"
    )
    return write_stage_rows(folder, "captions.parquet", rows, Caption)


def caption_from_answer(
    answer: Answer, config: LintConfig, instruction: str = ""
) -> Caption | Rejected:
    """Return a draw that has no fault, or what is wrong with the last one."""
    draws = [(answer.text, answer.finish_reason)]
    if answer.first_draw:
        draws.append((answer.first_draw, answer.first_draw_finish_reason))
    faults = [lint_caption(text, reason, config, instruction) for text, reason in draws]
    for (text, _), fault in zip(draws, faults, strict=True):
        if fault is None:
            summary = extract_summary(text)
            return Caption(id=answer.id, text=text.strip(), summary=summary, backend=answer.backend)
    detail = answer.text.strip()[:200]
    return Rejected(id=answer.id, stage="caption", reason=faults[0] or "", detail=detail)


def _lint_fault(config: LintConfig, instruction: str, text: str, finish_reason: str) -> str | None:
    return lint_caption(text, finish_reason, config, instruction)
