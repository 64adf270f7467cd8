"""Several corpora as one: a table of recordings beside a folder, or real audio beside synthetic
audio.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import msgspec

from earmark.config import Config, ConfigError, fingerprint
from earmark.corpora.base import Corpus
from earmark.corpora.folder import FolderConfig
from earmark.corpora.synthetic import SyntheticConfig
from earmark.corpora.table import TableConfig
from earmark.records import Rejected, Source

COLLECTION_LABEL = "collection"
"""The label field that tells which part a clip is of."""


class ConcatConfig(Config, frozen=True, kw_only=True, tag="concat", tag_field="kind"):
    """The clips of several corpora, one after another.

    Names, recordings and speakers get the part's name before them, so that a speaker "1" of one
    part is not that of another; the label field "collection" holds it.

    Args:
        parts: by name, at least one.
    """

    former_kind: ClassVar[str] = "several"

    parts: dict[str, FolderConfig | TableConfig | SyntheticConfig]

    def check(self) -> None:
        """Refuse names that cannot stand in a path. Raises ConfigError."""
        if not self.parts:
            raise ConfigError("parts is empty: give it a table for each corpus, by name.")
        for name in self.parts:
            if not name or "/" in name or name.startswith("."):
                raise ConfigError(
                    f"parts: {name!r} is the name of a folder in the workspace and goes "
                    "before clips' names: give it letters and digits, without '/' or a leading dot."
                )

    def build(self) -> Corpus:
        """Return the corpus. Raises ConfigError: as that of the parts."""
        return ConcatCorpus({name: part.build() for name, part in self.parts.items()})


@dataclass(frozen=True)
class ConcatCorpus(Corpus):
    """The rows of each part in turn."""

    parts: Mapping[str, Corpus]

    def fingerprint(self) -> str:
        """Return a digest of the parts' own, in their order."""
        return fingerprint(
            "concat", [(name, part.fingerprint()) for name, part in self.parts.items()]
        )

    def rows(self, folder: Path) -> Iterator[Source | Rejected]:
        """Yield the rows of each part, which has a folder of its own in `folder`."""
        for name, part in self.parts.items():
            for row in part.rows(folder / name):
                yield _prefix_names(name, row)


def _prefix_names(name: str, row: Source | Rejected) -> Source | Rejected:
    if isinstance(row, Rejected):
        return msgspec.structs.replace(row, id=f"{name}/{row.id}")
    return msgspec.structs.replace(
        row,
        name=f"{name}/{row.name}",
        labels={**row.labels, COLLECTION_LABEL: (name,)},
        recording=None if row.recording is None else f"{name}/{row.recording}",
        speaker=None if row.speaker is None else f"{name}/{row.speaker}",
    )
