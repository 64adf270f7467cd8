"""What a changed recipe leaves half done: told, for a mistyped setting may cost days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .workspace import Stage

MOST = 4
"""Changed settings that are told."""


def abandoned(
    before: Mapping[str, Any],
    began: Mapping[str, Stage],
    now: Mapping[str, Any],
    planned: Mapping[str, Stage],
) -> str:
    """Return a sentence on the first stage that was begun and will not be gone on with, or "".

    Args:
        before: the latest run's recipe as plain data.
        began: its stages.
        now: the recipe as it is.
        planned: its stages.
    """
    for name, stage in planned.items():
        old = began.get(name)
        if old is None or old.folder == stage.folder or stage.done:
            continue
        if old.done or not old.folder.exists():
            return ""
        changes = list(_changes(before, now))
        told = ", ".join(changes[:MOST]) + (" and more" if len(changes) > MOST else "")
        return (
            f"{name}: {old.folder.name} was begun with other settings ({told or 'other files'}) "
            f"and is left as it is; this is a new one, {stage.folder.name}."
        )
    return ""


def _changes(before: Any, now: Any, at: str = "") -> Iterator[str]:
    """Yield "key: old, now new" for each value that differs."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in sorted({*before, *now}):
            yield from _changes(before.get(key), now.get(key), f"{at}.{key}" if at else str(key))
    elif before != now:
        yield f"{at} was {before!r}, now {now!r}"
