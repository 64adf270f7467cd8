"""Clip to caption: ask the captioner, keep its whole text, find its summary."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from earmark.records import Caption, Clip, Rejected, write_outcome

from .backends.base import Backend, Prompt
from .execute import Answer, answer_all

SHORTEST_SUMMARY_WORDS = 5
LONGEST_UNBROKEN_WORDS = 60


def caption(clips: Sequence[Clip], backend: Backend, folder: Path) -> dict[str, int]:
    """Write captions.parquet and rejected.parquet into `folder`; returns counts.

    The backend is told where the audio is and how long, never what its labels are.
    """
    prompts = [Prompt(id=c.id, audio=c.path, duration_s=c.duration_s) for c in clips]
    rows = [parse(answer) for answer in answer_all(prompts, backend, folder, title="caption")]
    return write_outcome(folder, "captions.parquet", rows, Caption)


def parse(answer: Answer) -> Caption | Rejected:
    """Turn a raw answer into a caption, or say why it is none."""
    if answer.status != "ok":
        return Rejected(id=answer.id, stage="caption", reason=answer.reason, detail=answer.detail)
    if not answer.text.strip():
        return Rejected(id=answer.id, stage="caption", reason="empty answer")
    text = answer.text.strip()
    return Caption(id=answer.id, text=text, summary=summary_of(text), backend=answer.backend)


def summary_of(text: str) -> str:
    """Return a caption's closing summary paragraph (paper section 3.1).

    That is the last paragraph of at least five words which is no heading or list. A caption of
    one paragraph is its own summary up to 60 words; of a longer one, the last two sentences are.
    """
    paragraphs = [re.sub(r"\s+", " ", part).strip() for part in re.split(r"\n\s*\n", text)]
    prose = [p for p in paragraphs if _is_prose(p)] or [p for p in paragraphs if p]
    last = prose[-1]
    if len(prose) > 1 or len(last.split()) <= LONGEST_UNBROKEN_WORDS:
        return last
    sentences = re.split(r"(?<=[.!?])\s+", last)
    return " ".join(sentences[-2:])


def _is_prose(paragraph: str) -> bool:
    marked = re.match(r"([#>|*\-]|\d+[.)])\s*\S", paragraph) is not None
    bold_lead = paragraph.startswith("**")
    return (bold_lead or not marked) and len(paragraph.split()) >= SHORTEST_SUMMARY_WORDS
