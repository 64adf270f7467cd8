"""What `earmark vocabulary` does beyond a recipe: a bare file, proposals, differences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from earmark.config import Config, ConfigError, apply_overrides, decode
from earmark.records import Rejected, stream_parquet

from .build import CACHE, UNREAD, write_vocabulary
from .config import VocabularyConfig
from .counting.sources import find_sources, is_source, read_chunks
from .facts import Facts
from .locking.diff import compare
from .locking.exchange import rewrite as rewrite_rows
from .locking.lock import Vocabulary
from .locking.opening import LOCK, open_vocabulary
from .people.decisions import Decisions, read_decisions
from .people.proposals import propose, write_proposals


class _Overrides(Config, frozen=True, kw_only=True):
    """What a command line may set where there is no recipe."""

    vocabulary: VocabularyConfig = VocabularyConfig()


def make_alone(source: Path, out: Path, overrides: Sequence[str], *, rewrite: bool = False) -> str:
    """Make the vocabulary of bare files into the folder `out`; returns what to tell the user.

    Args:
        source: a file of rows, or a folder of such.
        out: made where it is not there; what was counted is kept in it for the next time.
        overrides: `vocabulary.key=value`.
        rewrite: whether to write JSONL sources anew, with the tags that each size keeps.

    Raises:
        ConfigError: as `write_vocabulary`.
    """
    config = decode(apply_overrides({}, overrides), _Overrides, where="the command line")
    out.mkdir(parents=True, exist_ok=True)
    sources = find_sources([source])
    counts = write_vocabulary(sources, config.vocabulary, out, filtered=True, cache=out / CACHE)
    told = ["vocabulary: " + ", ".join(f"{count} {name}" for name, count in counts.items())]
    told += [f"rows set aside: {count} {reason}" for reason, count in _set_aside(out).items()]
    told += [f"vocabulary: {line}" for line in Facts.load(out).unsupported]
    if rewrite:
        told += _rewrite(sources, out)
    return "\n".join([*told, str(out / LOCK)])


def compare_files(old: Path, new: Path, tags: Path | None) -> str:
    """Return in words how two lock files or label lists differ.

    With `tags` (rows of id and tags), also how many clips change.
    """
    return str(
        compare(open_vocabulary(old), open_vocabulary(new), None if tags is None else _rows(tags))
    )


def propose_merges(lock: Path, target: Path) -> str:
    """Write which tags of a lock file may mean the same into `target`, keeping what people decided.

    Raises:
        ConfigError: the extra `semantics` is missing, or `target` is no decisions file.
    """
    from earmark.annotate.semantics import Embedder

    decisions = read_decisions(target) if target.exists() else Decisions()
    entries = open_vocabulary(lock).entries
    proposals = propose({entry.tag: entry.df for entry in entries}, Embedder.load(), decisions)
    write_proposals(target, proposals)
    return (
        f"{len(proposals)} pairs of {len(entries)} tags may mean the same: {target}\n"
        'Edit it (decision = "accept" or "reject"), and build with '
        f"vocabulary.decisions={target}"
    )


def check_recipe(recipe: str) -> None:
    """Refuse a file of rows where a recipe is meant.

    Raises:
        ConfigError: `recipe` is such a file; the message says what to add.
    """
    if is_source(Path(recipe)):
        raise ConfigError(
            f"{recipe} is a file of rows, not a recipe. Say where its vocabulary goes: "
            f"earmark vocabulary {recipe} --out DIR"
        )


def _rows(path: Path) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield id and tags of the rows of a file or folder; rows that cannot be read are left out."""
    for source in find_sources([path]):
        for chunk in read_chunks(source, workers=1):
            yield from zip(chunk.ids.to_pylist(), chunk.tag_lists(), strict=True)


def _set_aside(out: Path) -> Counter[str]:
    return Counter(row.reason for row in stream_parquet(out / UNREAD, Rejected))


def _rewrite(sources: Sequence[Path], out: Path) -> list[str]:
    """Write each source anew beside its filtered tags, for each size; returns what was kept."""
    told = list[str]()
    for lock in sorted(out.glob("vocabulary*.json")):
        vocabulary = Vocabulary.load(lock)
        for source in sources:
            target = out / f"tags_{len(vocabulary)}" / source.name
            counts = rewrite_rows(source, vocabulary.encode, target)
            told.append(f"{target}: " + ", ".join(f"{n} {name}" for name, n in counts.items()))
    return told
