"""A vocabulary from whatever file holds one."""

from __future__ import annotations

from pathlib import Path

from earmark.annotate.vocabulary.config import VocabularyConfig
from earmark.annotate.vocabulary.formats import read_labels
from earmark.annotate.vocabulary.vocabulary import Vocabulary

LOCK = "vocabulary.json"
_HEAD_BYTES = 200


def open_vocabulary(path: Path, config: VocabularyConfig | None = None) -> Vocabulary:
    """Read a lock file, or a list of labels that others made (a .txt file, or id2label JSON).

    Args:
        path: the file, or a folder with vocabulary.json.
        config: says how variants of labels are found; a lock file says so itself.

    Raises:
        ConfigError: it is neither, or contradicts itself.
    """
    file = path / LOCK if path.is_dir() else path
    if not file.exists() or _is_lock(file):
        return Vocabulary.load(file)
    return Vocabulary.from_labels(read_labels(file), config)


def _is_lock(file: Path) -> bool:
    with open(file, "rb") as stream:
        return b'"earmark vocabulary' in stream.read(_HEAD_BYTES)
