"""From listed clips to evaluation clips: found on the disk, measured, and each there once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from earmark.evaluate.datasets.audio_files import AudioFiles
from earmark.evaluate.datasets.listing import Listed, Lost
from earmark.evaluate.datasets.measure import Measured, measure
from earmark.records import SPLITS, Example, Labels

SHOWN = 3  # of what was lost for one reason, as many as a message names


@dataclass
class Losses:
    """What was listed but cannot be used: by reason, how many and which ones first."""

    counts: dict[str, int] = field(default_factory=dict[str, int])
    first: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    def add(self, reason: str, where: str) -> None:
        """Count one."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        named = self.first.setdefault(reason, [])
        if len(named) < SHOWN:
            named.append(where)

    def total(self) -> int:
        """Return how many there are."""
        return sum(self.counts.values())

    def told(self) -> str:
        """Return the counts with examples, the most frequent reason first."""
        ranked = sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))
        return "; ".join(
            f"{count} {reason} (such as {', '.join(self.first[reason])})"
            for reason, count in ranked
        )


def usable(rows: Iterable[Listed | Lost], losses: Losses) -> Iterator[Listed]:
    """Yield the clips that a copy's tables tell of, and count the others."""
    for row in rows:
        if isinstance(row, Lost):
            losses.add(row.reason, row.where)
        else:
            yield row


def merged(rows: Iterable[Listed]) -> list[Listed]:
    """Return rows that differ in their labels alone as one with the labels of all.

    Such is a table in long format: a row for each label of a clip.
    """
    by_clip: dict[tuple[str, str, str, str], list[Listed]] = {}
    for row in rows:
        by_clip.setdefault((row.path, row.recording, row.split, row.fold), []).append(row)
    return [replace(same[0], labels=_together(same)) for same in by_clip.values()]


def _together(rows: Sequence[Listed]) -> Labels:
    """Return the labels of all rows, each value once, in the order listed."""
    values: dict[str, dict[str, None]] = {}
    for row in rows:
        for name, found in row.labels.items():
            values.setdefault(name, {}).update(dict.fromkeys(found))
    return {name: tuple(found) for name, found in values.items()}


def examples_of(
    listed: Iterable[Listed], folder: Path, title: str, losses: Losses
) -> dict[str, tuple[Listed, Example]]:
    """Return each clip by its id, in the order listed, as far as its audio can be used.

    Others are counted as "missing", by the reason that `earmark.audio` gives, or as "duplicate":
    of files with the same bytes one is kept, on the side that is least seen in training.
    """
    files = AudioFiles(folder)
    found = list(_found(listed, files, losses))
    measured = measure(folder, (path for _, path in found), title)
    chosen: dict[str, tuple[Listed, Example]] = {}
    for row, path in found:
        fact = measured[path]
        if fact.fault:
            losses.add(fact.fault, row.path)
            continue
        kept = chosen.get(fact.id)
        if kept is not None:
            less = _seen(row) > _seen(kept[0])
            losses.add("duplicate", kept[0].path if less else row.path)
            if not less:
                continue
        chosen[fact.id] = (row, _example(row, path, fact))
    return chosen


def _found(
    listed: Iterable[Listed], files: AudioFiles, losses: Losses
) -> Iterator[tuple[Listed, Path]]:
    for row in listed:
        path = files.find(row.path)
        if path is None:
            losses.add("missing", row.path)
        else:
            yield row, path


def _seen(row: Listed) -> int:
    return SPLITS.index(row.split) if row.split else 0


def _example(row: Listed, path: Path, fact: Measured) -> Example:
    return Example(
        id=fact.id,
        path=str(path),
        name=row.path,
        duration_s=fact.duration_s,
        split=row.split,
        recording=row.recording or None,
        speaker=None,
        tags=(),
        tag_ids=(),
        caption="",
        summary="",
        labels=row.labels,
    )
