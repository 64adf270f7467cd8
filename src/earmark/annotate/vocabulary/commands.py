"""The commands of `earmark vocabulary` beyond a recipe: build from bare files, propose, compare.

A folder of outputs has one writer at a time, and what a killed build left is removed.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from earmark.annotate.vocabulary.build import CACHE_FOLDER, UNREAD_FILE, write_vocabulary
from earmark.annotate.vocabulary.config import VocabularyConfig
from earmark.annotate.vocabulary.counting.corpus import TagCorpus
from earmark.annotate.vocabulary.counting.sources import find_sources, is_source
from earmark.annotate.vocabulary.decisions import Decisions, read_decisions
from earmark.annotate.vocabulary.diff import diff_vocabularies
from earmark.annotate.vocabulary.formats import (
    VOCABULARY_FILE,
    check_rewritable,
    open_vocabulary,
    rewrite_rows,
)
from earmark.annotate.vocabulary.proposals import find_proposals, write_proposals
from earmark.annotate.vocabulary.stats import VocabularyStats
from earmark.annotate.vocabulary.vocabulary import Vocabulary
from earmark.config import Config, ConfigError, apply_overrides, decode_config
from earmark.io import file_lock
from earmark.workspace import StageError

_SIZED_NAME = re.compile(r"(label_|id2label_|vocabulary_|tags_|rewritten_)(\d+)(?:\.txt|\.json|)")

_TEMPORARY_FILES = (
    "vocabulary*.json.*.tmp",
    "label_*.txt.*.tmp",
    "id2label_*.json.*.tmp",
    "facts.json.*.tmp",
    "unread.parquet.tmp",
    "tags_[0-9]*/*.tmp",
    "rewritten_[0-9]*/*.tmp",
)


@contextlib.contextmanager
def output_folder(folder: Path) -> Generator[None]:
    """Hold a folder for one build, and clear away what a killed one left; it is made where needed.

    Raises:
        ConfigError: another process builds into it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ConfigError(
            f"--out {folder} is a file, or lies in one, but a vocabulary is a folder of files. "
            "Give a folder; it is made where it is not there."
        ) from None
    except OSError as error:
        raise ConfigError(f"--out {folder} cannot be made: {error.strerror}") from None
    with file_lock(folder / "lock"):
        for pattern in _TEMPORARY_FILES:
            for path in folder.glob(pattern):
                path.unlink()
        yield


def stale_files(folder: Path, sizes: Collection[int], locks: Collection[int]) -> Iterator[str]:
    """Yield the files and folders whose size a build did not write, by name.

    Args:
        folder: where it wrote.
        sizes: those that it wrote.
        locks: those of them that have a vocabulary_<K>.json.
    """
    for name in sorted(path.name for path in folder.iterdir()):
        if match := _SIZED_NAME.fullmatch(name):
            written = locks if match[1] == "vocabulary_" else sizes
            if int(match[2]) not in written:
                yield name


MAX_REJECTED_SHARE = 0.5
"""The share of rows beyond which a vocabulary is no success."""


class _Overrides(Config, frozen=True, kw_only=True):
    """What a command line may set where there is no recipe."""

    vocabulary: VocabularyConfig = VocabularyConfig()


def build_from_files(
    source: Path, out: Path, overrides: Sequence[str], *, rewrite: bool = False
) -> str:
    """Make the vocabulary of bare files into the folder `out`; returns what to tell the user.

    Args:
        source: a file of rows, or a folder of such.
        out: made where it is not there; what was counted is kept in it for the next time.
        overrides: `vocabulary.key=value`.
        rewrite: whether to write JSONL sources anew, with the tags that each size keeps.

    Raises:
        ConfigError: as `write_vocabulary`; another process builds into `out`, or it is a file; or
            a source that cannot be written anew should be.
        StageError: most rows were set aside.
    """
    settings = decode_config(apply_overrides({}, overrides), _Overrides, where="the command line")
    config = settings.vocabulary
    sources = find_sources([source])
    if rewrite:
        for file in sources:
            check_rewritable(file)
    with output_folder(out):
        counts = write_vocabulary(sources, config, out, filtered=True, cache=out / CACHE_FOLDER)
        told = ["vocabulary: " + ", ".join(f"{count} {name}" for name, count in counts.items())]
        facts = VocabularyStats.load(out)
        told += _describe_rejected(facts.unread)
        told += [f"vocabulary: {line}" for line in facts.sentences]
        main = Vocabulary.load(out / VOCABULARY_FILE)
        further = {size: out / f"vocabulary_{size}.json" for size in sorted(set(config.sizes))}
        every = {len(main): out / VOCABULARY_FILE} | further
        if rewrite:
            told += _rewrite_sources(sources, every.values(), out)
        if earlier := list(stale_files(out, every, further)):
            told.append(f"of an earlier build, and not touched: {', '.join(earlier)}")
    _check_rows(facts, out)
    return "\n".join([*told, str(out / VOCABULARY_FILE)])


def check_sources(source: str, overrides: Sequence[str], out: Path | None) -> None:
    """Refuse a file of rows without a folder to write, and a second file.

    Raises:
        ConfigError: the message says what to write.
    """
    if out is None and is_source(Path(source)):
        raise ConfigError(
            f"{source} is a file of rows, not a recipe. Name the folder for its vocabulary: "
            f"earmark vocabulary build {source} --out DIR"
        )
    if out is None:
        return
    if more := [name for name in overrides if "=" not in name and is_source(Path(name))]:
        raise ConfigError(
            f"one file or folder is counted, and {more[0]} is another: put them into one folder"
        )


def compare_files(old: Path, new: Path, tags: Path | None) -> str:
    """Return in words how two lock files or label lists differ.

    With `tags` (rows of id and tags), also how many clips change, and which rows are no clips.
    """
    before, after = open_vocabulary(old), open_vocabulary(new)
    if tags is None:
        return str(diff_vocabularies(before, after))
    with tempfile.TemporaryDirectory() as folder:
        corpus = TagCorpus.encode([tags], Path(folder))
        told = str(diff_vocabularies(before, after, corpus.rows()))
        return "\n".join([told, *_describe_rejected(corpus.unread)])


def propose_merges(lock: Path, target: Path) -> str:
    """Write which tags of a lock file may mean the same into `target`, keeping what people decided.

    Raises:
        ConfigError: the extra `semantics` is missing, or `target` is no decisions file.
    """
    from earmark.annotate.sentence_encoder import SentenceEncoder

    decisions = read_decisions(target) if target.exists() else Decisions()
    vocabulary = open_vocabulary(lock)
    entries = vocabulary.entries
    proposals = find_proposals(
        {entry.tag: entry.df for entry in entries},
        SentenceEncoder.load(),
        decisions,
        normalize=vocabulary.normalize,
    )
    write_proposals(target, proposals)
    return (
        f"{len(proposals)} pairs of {len(entries)} tags may mean the same: {target}\n"
        'Edit it (decision = "accept" or "reject"), and build with '
        f"vocabulary.decisions={target}"
    )


def _check_rows(facts: VocabularyStats, out: Path) -> None:
    """Refuse to call it done where most rows were set aside."""
    lost = sum(facts.unread.values())
    if lost > MAX_REJECTED_SHARE * (lost + facts.captions):
        reasons = ", ".join(f"{count} {reason}" for reason, count in facts.unread.items())
        raise StageError(
            f"{lost} of {lost + facts.captions} rows were set aside ({reasons}), so the files in "
            f"{out} say little. Look at {out / UNREAD_FILE}; rows need an id of their own each "
            "(clip#0, clip#1, ... for captions of one clip)."
        )


def _describe_rejected(unread: Mapping[str, int]) -> list[str]:
    return [f"rows set aside: {count} {why}" for why, count in unread.items()]


def _rewrite_sources(sources: Sequence[Path], locks: Iterable[Path], out: Path) -> list[str]:
    """Write each source anew for each lock file; tell what was kept."""
    told = list[str]()
    parts = TagCorpus.encode(sources, out / CACHE_FOLDER).parts  # as they were just encoded
    skipped = [frozenset(joined.skipped.tolist()) for joined in parts]
    for lock in locks:
        vocabulary = Vocabulary.load(lock)
        for source, rows in zip(sources, skipped, strict=True):
            target = out / f"rewritten_{len(vocabulary)}" / source.name
            target.parent.mkdir(exist_ok=True)
            counts = rewrite_rows(source, vocabulary.encode, target, rows)
            told.append(f"{target}: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    return told
