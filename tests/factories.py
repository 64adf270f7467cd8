"""Rows with everything filled in that a test does not care about, and many cases in one test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from earmark.records import Clip, Example


def new_example(**fields: Any) -> Example:
    """Return an example; only its `id` must be given."""
    defaults: dict[str, Any] = {
        "path": "",
        "name": "",
        "duration_s": 1.0,
        "split": "train",
        "recording": None,
        "speaker": None,
        "tags": (),
        "tag_ids": (),
        "caption": "",
        "summary": "",
        "labels": {},
    }
    return Example(**(defaults | fields))


def new_clip(**fields: Any) -> Clip:
    """Return a clip; only its `id` must be given."""
    defaults: dict[str, Any] = {
        "path": "",
        "name": "",
        "duration_s": 1.0,
        "sample_rate": 16000,
        "channels": 1,
        "peak_dbfs": -1.0,
        "loudness_lufs": -20.0,
    }
    return Clip(**(defaults | fields))


def assert_all(cases: Iterable[tuple[object, object, object]]) -> None:
    """Compare (name, found, expected) of every case; all that differ are shown at once."""
    listed = list(cases)
    assert listed, "there are no cases"
    wrong = [
        f"{name!r}: found {found!r}, expected {expected!r}"
        for name, found, expected in listed
        if found != expected
    ]
    assert not wrong, f"{len(wrong)} of {len(listed)} differ:\n" + "\n".join(wrong)
