"""Caption to tags: ask the tagger, parse its list."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from earmark.records import Caption, Rejected, TagSet, write_outcome

from .backends.base import Backend, Prompt
from .execute import Answer, answer_all


def tag(captions: Sequence[Caption], backend: Backend, folder: Path) -> dict[str, int]:
    """Write tags.parquet and rejected.parquet into `folder`; returns counts.

    The tagger reads the whole caption, not its summary (paper section 3.1).
    """
    prompts = [Prompt(id=row.id, text=row.text) for row in captions]
    rows = [parse(answer) for answer in answer_all(prompts, backend, folder, title="tag")]
    return write_outcome(folder, "tags.parquet", rows, TagSet)


def parse(answer: Answer) -> TagSet | Rejected:
    """Turn a raw answer, a JSON list of words, into tags; lower case, each once."""
    if answer.status != "ok":
        return Rejected(id=answer.id, stage="tag", reason=answer.reason, detail=answer.detail)
    try:
        listed = msgspec.json.decode(answer.text, type=list[str])
    except msgspec.DecodeError as error:
        detail = f"{error}: {answer.text[:200]}"
        return Rejected(id=answer.id, stage="tag", reason="not a JSON list", detail=detail)
    tags = tuple(dict.fromkeys(word for raw in listed if (word := raw.strip().lower())))
    if not tags:
        return Rejected(id=answer.id, stage="tag", reason="no tags")
    return TagSet(id=answer.id, tags=tags, backend=answer.backend)
