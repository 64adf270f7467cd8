"""Statistics of a vocabulary build: facts.json beside the lock file, which the report shows."""

from __future__ import annotations

from pathlib import Path

import msgspec

from earmark.io import write_text

STATS_FILE = "facts.json"


class StepChange(msgspec.Struct, frozen=True, kw_only=True):
    """What one step of the normalizer changed.

    `tags` counts distinct tags that look different after it, `uses` the captions that hold one of
    them (a caption counts once for each such tag), `examples` are the most frequent, as
    (before, after).
    """

    step: str
    tags: int
    uses: int
    examples: tuple[tuple[str, str], ...] = ()


class CurvePoint(msgspec.Struct, frozen=True, kw_only=True):
    """What a vocabulary of `size` tags has: shares are from 0 to 1.

    `positives` is the document frequency of its rarest tag, `clips` the share of captions that
    keep a tag, `uses` the share of all tag uses that it covers, `tags_a_clip` how many tags a
    caption that keeps any has on average.
    """

    size: int
    positives: int
    clips: float
    uses: float
    tags_a_clip: float


class VocabularyStats(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the report says of how a vocabulary came to be.

    Args:
        captions: rows that were counted.
        uses: (caption, tag) pairs as written, a tag once a caption.
        written: document frequency of each distinct tag as written, falling.
        folded: document frequency of each distinct tag after normalizing and decisions, falling.
        changes: what each step of the normalizer, and "decisions" after them, changed.
        dropped: uses of tags that are none, by reason ("empty", "too long", "banned", ...).
        captions_by_domain: captions of each domain; one may be of several.
        tags_by_domain: the vocabulary's tags of each domain.
        uses_by_domain: uses of the vocabulary's tags of each domain.
        curve: growing vocabularies, in about logarithmic steps, up to all tags that qualify.
        chosen: why the size is what it is, in words.
        unsupported: decisions of people that the corpus no longer bears, in words.
        unread: rows that could not be counted, by reason; they are in unread.parquet.
    """

    captions: int
    uses: int
    written: tuple[int, ...]
    folded: tuple[int, ...]
    changes: tuple[StepChange, ...]
    dropped: dict[str, int]
    captions_by_domain: dict[str, int]
    tags_by_domain: dict[str, int]
    uses_by_domain: dict[str, int]
    curve: tuple[CurvePoint, ...]
    chosen: str
    unsupported: tuple[str, ...] = ()
    unread: dict[str, int] = {}

    @property
    def sentences(self) -> tuple[str, ...]:
        """What everyone who builds it should be told."""
        return self.chosen, *self.unsupported

    def save(self, folder: Path) -> None:
        """Write facts.json into `folder`."""
        write_text(folder / STATS_FILE, msgspec.json.encode(self).decode() + "\n")

    @staticmethod
    def load(folder: Path) -> VocabularyStats:
        """Read facts.json of `folder`."""
        return msgspec.json.decode((folder / STATS_FILE).read_bytes(), type=VocabularyStats)
