"""Rows with everything filled in that a test does not care about, and many cases in one test."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import settings

from earmark.recipe import Recipe, load_recipe
from earmark.records import Clip, Example

SCRIPTED = (
    "captioner.kind=scripted",
    "captioner.default=A tone.\n\nA steady tone is heard here.",
    "tagger.kind=scripted",
    'tagger.default=\'["tone", "steady"]\'',
    "vocabulary.min_df=1",
)
"""A captioner and a tagger that need no model."""


MAX_HEAVY_EXAMPLES = min(settings.default.max_examples, 30)
"""Examples of a property whose every example is a whole build."""


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


def new_recipe(folder: Path, *overrides: str) -> Recipe:
    """Return a recipe on a folder of audio, with a scripted captioner and tagger."""
    return load_recipe("folder", [f"corpus.path={folder}", *SCRIPTED, *overrides])


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
