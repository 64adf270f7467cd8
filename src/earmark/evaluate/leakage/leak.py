"""A test clip that leaked from training: its row, and a one-line summary of all leaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from earmark.records import Example, Row

LeakKind = Literal["id", "sentence", "fingerprint"]

LEAK_KINDS: tuple[LeakKind, ...] = ("id", "fingerprint", "sentence")
"""From what leaves no doubt to what does least harm."""


class Leak(Row, frozen=True, kw_only=True):
    """The tested clip `id` was learnt from, in the form of `learnt_id`.

    Args:
        id: of the tested clip.
        name: of the tested clip.
        of: the task whose dataset or table the tested clip is from; "" of the manifest's own.
        by: what the two share: "id" the bytes of a file, "sentence" one of their captions,
            "fingerprint" the sound.
        learnt_id: of the clip that was learnt from, one where there are several.
        learnt_name: of that clip.
        detail: the sentence; or the bit error rate and how many seconds the two overlap by.
    """

    id: str
    name: str
    by: LeakKind
    learnt_id: str
    learnt_name: str
    detail: str = ""
    of: str = ""


def make_leak(example: Example, found: Example, by: LeakKind, detail: str) -> Leak:
    """Return that the tested `example` was learnt from in the form of `found`."""
    return Leak(
        id=example.id,
        name=example.name,
        by=by,
        learnt_id=found.id,
        learnt_name=found.name,
        detail=detail,
    )


def summarize_leaks(leaks: Sequence[Leak], tested: int) -> str:
    """Return one line: how many of the `tested` clips were learnt from, by what, and what follows.

    A clip that is in several sources counts once.
    """
    found = len({leak.id for leak in leaks})
    if not found:
        return f"leakage: none of {tested} test clips is known to have been learnt from"
    # A clip that several kinds found counts once, by the surest of them.
    kinds: dict[str, LeakKind] = {}
    for kind in reversed(LEAK_KINDS):
        kinds.update({leak.id: kind for leak in leaks if leak.by == kind})
    counts = Counter(kinds.values())
    ways = ", ".join(f"{counts[kind]} by {kind}" for kind in LEAK_KINDS if counts[kind])
    verb = "was" if found == 1 else "were"
    return (
        f"leakage: {found} of {tested} test clips {verb} learnt from ({ways}); "
        f"{_exclusions(found, counts['sentence'])}; leaks.parquet lists them"
    )


def _exclusions(found: int, read: int) -> str:
    """Return from which tasks the leaks are excluded, of which `read` share but a sentence."""
    if read == 0:
        return "excluded where they would be scored on"
    if read == found:
        return "excluded from tasks on texts alone"
    return (
        f"{found - read} excluded where they would be scored on, {read} from tasks on texts alone"
    )
