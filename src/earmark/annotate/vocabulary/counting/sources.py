"""Bare files of tagged captions: find them, tell their format, read their rows.

A row is {"id", "caption", "tags"}; only id and tags are ever read. Three formats are known:
JSON lines (plain, .gz or .zst), Parquet, and the Lhotse manifest of the paper, section 3.3, whose
tags are in `supervisions[0].custom.audio_tag`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from earmark.annotate.vocabulary.counting.arrays import Chunk
from earmark.annotate.vocabulary.counting.json_files import COMPRESSED_SUFFIXES, read_json_chunks
from earmark.annotate.vocabulary.counting.parquet_rows import column_names, read_parquet_chunks
from earmark.config import ConfigError, suggest

JSON_SUFFIXES = (".jsonl", ".ndjson")
PARQUET_SUFFIX = ".parquet"


def find_sources(paths: Sequence[Path]) -> list[Path]:
    """Return the files that hold tagged captions, each once, sorted by path.

    A folder stands for the files directly in it: all JSON lines, and the Parquet files that have
    the columns id and tags.

    Raises:
        ConfigError: a path does not exist, is of no known form, or is a folder without such files.
    """
    found: set[Path] = set()
    for path in paths:
        if path.is_dir():
            found.update(_files_of(path.resolve()))
        elif not path.exists():
            siblings = [file.name for file in path.parent.glob("*") if is_source(file)]
            raise ConfigError(f"no tags at {path}.{suggest(path.name, siblings)}")
        elif not is_source(path):
            raise ConfigError(f"{path} is no file of tags: {_expected_files()}")
        else:
            found.add(path.resolve())
    return sorted(found)


def read_chunks(source: Path, *, workers: int) -> Iterator[Chunk]:
    """Yield all rows of a source in order, in bounded memory.

    How rows are cut into chunks is not part of the contract; the rows themselves do not depend on
    `workers`.

    Raises:
        ConfigError: the file is damaged, or it is not of the form that its name says.
    """
    if source.suffix == PARQUET_SUFFIX:
        yield from read_parquet_chunks(source, workers=workers)
    else:
        yield from read_json_chunks(source, workers=workers)


def is_source(path: Path) -> bool:
    """Return whether a file's name says that it may hold tagged captions."""
    suffixes = path.suffixes[-2:]
    packed = len(suffixes) == 2 and suffixes[1] in COMPRESSED_SUFFIXES
    last = suffixes[0] if packed else path.suffix
    return path.is_file() and (last in JSON_SUFFIXES or path.suffix == PARQUET_SUFFIX)


def _files_of(folder: Path) -> list[Path]:
    files = [file for file in folder.iterdir() if is_source(file) and _has_tags(file)]
    if not files:
        raise ConfigError(f"{folder} holds no file of tags: {_expected_files()}")
    return files


def _has_tags(file: Path) -> bool:
    """Return whether a file of a folder is meant: not every Parquet file is a table of tags."""
    if file.suffix != PARQUET_SUFFIX:
        return True
    return {"id", "tags"} <= set(column_names(file))


def _expected_files() -> str:
    names = ", ".join(f"*{suffix}[.gz|.zst]" for suffix in JSON_SUFFIXES)
    return f'expected rows of {{"id", "caption", "tags"}} in {names} or *{PARQUET_SUFFIX}.'
