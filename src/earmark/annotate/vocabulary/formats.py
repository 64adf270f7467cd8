"""Vocabularies and rows in the formats of others: read, written, rewritten.

A vocabulary is label_<K>.txt (one tag a line, best first) or a JSON object from class id to tag.
Rows are {"id", "caption", "tags"} objects, or Lhotse's MonoCuts, whose tags are in
`supervisions[0].custom.audio_tag` (section 3.3 of arXiv 2603.25767; examples/uts of AudenAI/Auden).
`open_vocabulary` reads a lock file or any of the label lists.
"""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections import Counter
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec

from earmark.annotate.vocabulary.config import VocabularyConfig
from earmark.annotate.vocabulary.counting.arrays import Chunk
from earmark.annotate.vocabulary.counting.join import DUPLICATE_ID
from earmark.annotate.vocabulary.counting.sources import PARQUET_SUFFIX, read_chunks
from earmark.annotate.vocabulary.vocabulary import Vocabulary
from earmark.config import ConfigError
from earmark.io import replace_file, write_text

EncodeTags = Callable[[Sequence[str]], tuple[Sequence[str], Sequence[int]]]
"""Tags as written to those of a vocabulary, and their class ids: `Vocabulary.encode`."""

_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])

_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])


def read_label_list(
    path: Path, *, repeated: Literal["refuse", "first"] = "refuse"
) -> tuple[str, ...]:
    """Return the tags of a label list, of an id2label object or of a lock file, by class id.

    Args:
        path: .json for {"0": "speech", ...}, {"speech": 0, ...}, ["speech", ...] or a lock file;
            .csv for AudioSet's class_labels_indices.csv; under any other name it is text with one
            tag a line (label_<K>.txt); space around a tag is part of it.
        repeated: what becomes of a tag that is there twice: an error, or only its first place is
            kept, and the ids of all tags behind the second move down by one.

    Raises:
        ConfigError: it cannot be read, an id or a tag is missing, or a tag is there twice.
    """
    try:
        text = path.read_text("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"no label list at {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as a label list: {error}") from None
    if path.suffix == ".json":
        found = _parse_json(text, path)
        if isinstance(found, dict) and "entries" in found:
            return Vocabulary.load(path).tags
        places = _tags_by_id(found, path)
    elif path.suffix == ".csv":
        places = _tags_of_table(text, path)
    else:
        places = [
            (f"line {number}", line) for number, line in enumerate(_text_lines(text), start=1)
        ]
    return _check_tags(places, path, repeated)


def write_label_list(tags: Sequence[str], folder: Path, size: int) -> None:
    """Write the first `size` tags into `folder`, as label_<size>.txt and id2label_<size>.json.

    Raises:
        ConfigError: a tag has a line break in it, which would move the ids of those behind it.
    """
    kept = tags[:size]
    if broken := [tag for tag in kept if tag.splitlines() != [tag]]:
        raise ConfigError(
            f"{_shown(broken[0])} cannot be a line of label_{size}.txt. Let the vocabulary's "
            'normalizer fold it (normalize = "all"), or ban it by a decision.'
        )
    write_text(folder / f"label_{size}.txt", "".join(f"{tag}\n" for tag in kept))
    named = {str(position): tag for position, tag in enumerate(kept)}
    text = msgspec.json.format(msgspec.json.encode(named), indent=2).decode()
    write_text(folder / f"id2label_{size}.json", text + "\n")


def rewrite_rows(
    source: Path, encode: EncodeTags, target: Path, skipped: Container[int] = frozenset()
) -> dict[str, int]:
    """Write the rows or cuts of a file anew, with their tags folded and filtered to a vocabulary.

    Every other field keeps its bytes, and rows keep their order. Returns counts: "in", "out",
    "no tag left", "id is there twice", and rows that cannot be read, by reason.

    Args:
        source: JSON lines of rows or of Lhotse's MonoCuts; plain, .gz or .zst.
        encode: the vocabulary's `encode`.
        target: its name says how it is packed: .gz, .zst or not at all.
        skipped: which of the rows that can be read have an id that was there before, from 0.

    Raises:
        ConfigError: `source` is no such file or is damaged, or `target` is the same file.
    """
    check_rewritable(source)
    if not source.is_file():
        raise ConfigError(f"no rows at {source}")
    if source.resolve() == target.resolve():
        raise ConfigError(f"{target} is the file that is read; give the new one another name")
    counts = Counter[str]()
    twice = map(skipped.__contains__, itertools.count())
    with _open_lines(source) as lines, _open_output(target) as out:
        for chunk in read_chunks(source, workers=1):
            for row in _rewrite_chunk(chunk, itertools.islice(lines, chunk.rows), encode, twice):
                if isinstance(row, bytes):
                    out.write(row + b"\n")
                counts["out" if isinstance(row, bytes) else row] += 1
    return {"in": counts.total(), "out": counts.pop("out", 0), **dict(counts.most_common())}


def check_rewritable(source: Path) -> None:
    """Refuse a source that cannot be written anew.

    Raises:
        ConfigError: it is Parquet.
    """
    if source.suffix == PARQUET_SUFFIX:
        raise ConfigError(
            f"{source} is no file of JSON lines, which alone `earmark vocabulary rewrite` takes. "
            "Its filtered tags are in tags_<K>/ without that; their ids lead to its rows."
        )


def _rewrite_chunk(
    chunk: Chunk, lines: Iterable[bytes], encode: EncodeTags, twice: Iterator[bool]
) -> Iterator[bytes | str]:
    """Yield for each row of a chunk its new line, or the reason why there is none.

    `twice` has for each row that can be read whether its id was there before.
    """
    reasons = {fault.row: fault.reason for fault in chunk.faults}
    rows = chunk.tag_lists()
    for number, line in enumerate(lines):
        if number in reasons:
            yield reasons[number]
        elif line.strip():
            written = next(rows)
            if next(twice):
                yield DUPLICATE_ID
                continue
            tags, _ = encode(written)
            yield _with_tags(line, tags) if tags else "no tag left"


def _with_tags(line: bytes, tags: Sequence[str]) -> bytes | str:
    """Return a row with other tags, or the reason why that cannot be."""
    try:
        row: dict[str, Any] = _FIELDS.decode(line.removeprefix(codecs.BOM_UTF8))
        if "tags" in row:
            row["tags"] = tags
        else:
            first, *others = _ITEMS.decode(row["supervisions"])
            supervision: dict[str, Any] = _FIELDS.decode(first)
            custom: dict[str, Any] = _FIELDS.decode(supervision["custom"])
            custom["audio_tag"] = tags
            supervision["custom"] = custom
            row["supervisions"] = [supervision, *others]
        return msgspec.json.encode(row)
    except msgspec.DecodeError:
        return "not strict JSON"  # NaN, or half a surrogate: its tags can be read all the same


@contextmanager
def _open_lines(path: Path) -> Generator[Iterator[bytes]]:
    import pyarrow as pa

    with pa.input_stream(str(path), compression="detect") as stream:
        yield io.BufferedReader(stream)


@contextmanager
def _open_output(path: Path) -> Generator[Any]:
    """Open a file to be written, packed as its name says; it has its name once it is whole."""
    import pyarrow as pa

    packing = {".gz": "gzip", ".zst": "zstd"}.get(path.suffix)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with pa.output_stream(str(temporary), compression=packing) as stream:
            yield stream
        replace_file(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _text_lines(text: str) -> list[str]:
    """Return the lines, without the empty ones that follow the last tag."""
    lines = text.split("\n")
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def _parse_json(text: str, path: Path) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} is not valid JSON: {error}") from None


def _tags_by_id(found: Any, path: Path) -> list[tuple[str, Any]]:
    """Return (where it is, tag) by class id."""
    if isinstance(found, list):
        return [(f"id {position}", tag) for position, tag in enumerate(found)]  # pyright: ignore[reportUnknownArgumentType]
    if not isinstance(found, dict):
        raise ConfigError(
            f'{path} holds {_shown(found)}. A label list is {{"0": "speech", "1": "music", ...}}, '
            '["speech", "music", ...], or text with one tag a line.'
        )
    named: dict[str, Any] = found
    if named and all(isinstance(value, int) for value in named.values()):
        named = {str(position): tag for tag, position in named.items()}  # label2id
    for position in range(len(named)):
        if str(position) not in named:
            strange = next(key for key in named if not _is_id_below(key, len(named)))
            raise ConfigError(
                f"{path} has {len(named)} tags, but none with id {position}; its id {strange!r} "
                f"is beyond them. Ids count from 0 without a gap: 0 to {len(named) - 1} here."
            )
    return [(f"id {position}", named[str(position)]) for position in range(len(named))]


def _tags_of_table(text: str, path: Path) -> list[tuple[str, Any]]:
    """Return (where it is, tag) of a table with the columns index and display_name."""
    rows = list(csv.DictReader(text.splitlines()))
    if not rows or not {"index", "display_name"} <= rows[0].keys():
        raise ConfigError(
            f"{path} has not the columns index and display_name, as AudioSet's list of classes has."
        )
    return _tags_by_id({row["index"]: row["display_name"] for row in rows}, path)


def _is_id_below(key: str, count: int) -> bool:
    return key.isascii() and key.isdigit() and str(int(key)) == key and int(key) < count


def _check_tags(
    places: Iterable[tuple[str, Any]], path: Path, repeated: Literal["refuse", "first"]
) -> tuple[str, ...]:
    """Return the tags, or refuse the first that is none or that was there before."""
    seen = dict[str, str]()
    for place, tag in places:
        if not isinstance(tag, str) or not tag.strip():
            raise ConfigError(
                f"{path}, {place}: {_shown(tag)} is not a tag. A tag's place is its class id, so "
                "none can be left out: write the tag that belongs there, or delete the place."
            )
        if tag not in seen:
            seen[tag] = place
        elif repeated == "refuse":
            raise ConfigError(
                f"{path}: {tag!r} is there twice, at {seen[tag]} and {place}. A tag is one class: "
                f"delete {place}, or read the list with repeated='first' to have that done; the "
                "ids of the tags behind it move down by one. A model that was trained on this "
                "list has a class for both."
            )
    if not seen:
        raise ConfigError(f"{path} holds no tags; one a line was expected")
    return tuple(seen)


def _shown(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 60 else text[:57] + "..."


VOCABULARY_FILE = "vocabulary.json"

_HEAD_BYTES = 200


def open_vocabulary(path: Path, config: VocabularyConfig | None = None) -> Vocabulary:
    """Read a lock file, or a list of labels that others made (a .txt file, or id2label JSON).

    Args:
        path: the file, or a folder with vocabulary.json.
        config: says how variants of labels are found; a lock file says so itself.

    Raises:
        ConfigError: it is neither, or contradicts itself.
    """
    file = path / VOCABULARY_FILE if path.is_dir() else path
    if not file.exists() or _is_lockfile(file):
        return Vocabulary.load(file)
    return Vocabulary.from_labels(read_label_list(file), config)


def _is_lockfile(file: Path) -> bool:
    with open(file, "rb") as stream:
        return b'"earmark vocabulary' in stream.read(_HEAD_BYTES)
