"""The answers of a backend: the rows of a shard, its one writer, and how finished shards are read.

A row is done when it is in the journal. Rows are numbered, so what is done takes a byte a row, not
a set of ids.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import msgspec

from earmark.annotate.jobs.shards import Shard, journal_path, read_shards, sealed_path
from earmark.annotate.journal import Journal
from earmark.io import file_lock, replace_file, write_text
from earmark.records import Row
from earmark.tables import TableWriter, read_metadata, stream_parquet
from earmark.workspace import StageError


class Answer(Row, frozen=True, kw_only=True):
    """One prompt's outcome, kept raw so that a better parser can be run over it for nothing.

    `row` is its place in the input table. `status` is "ok" or "refused"; `reason` and `detail`
    say why it was refused, `transient` that it might be answered another day. Where the first
    draw was turned down, `text` is the second's and `first_draw` the first's, which ended for
    `first_draw_finish_reason`. `seconds` and tokens are those of the last request of each draw,
    from when it was handed to the backend, which may make it wait for its turn; `attempts` counts
    all requests.
    """

    row: int
    id: str
    backend: str
    status: str
    reason: str = ""
    detail: str = ""
    transient: bool = False
    text: str = ""
    finish_reason: str = ""
    first_draw: str = ""
    first_draw_finish_reason: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    attempts: int = 1


def stream_answers(folder: Path) -> Iterator[Answer]:
    """Yield every answer of a finished job, in the order of its input table."""
    for shard in read_shards(folder):
        yield from stream_parquet(sealed_path(folder, shard), Answer)


class ShardWriter:
    """The one writer of a shard: `rows` of the table, `done` marks them, `left` counts the others.

    A shard that was sealed with rows refused for a transient reason is opened again for these; what
    is sealed stays until the shard is sealed anew.

    Args:
        folder: the job's folder.
        shard: which one.
        total: rows of the whole input table.

    Raises:
        ConfigError: another process works on the shard, or the folder cannot be written.
        ValueError: the journal is damaged.
    """

    def __init__(self, folder: Path, shard: Shard, total: int) -> None:
        self.shard = shard
        self.rows = shard.rows(total)
        self._sealed = sealed_path(folder, shard)
        self._discovered_path = folder / f"{shard.name}.discovered"
        self._discovered: Mapping[str, str] = {}
        path = journal_path(folder, shard)
        with ExitStack() as stack:
            stack.enter_context(file_lock(folder / f"{shard.name}.lock"))
            if self._sealed.exists() and not path.exists():
                _reopen_sealed(self._sealed, path)
            self._journal = stack.enter_context(closing(Journal(path, Answer)))
            if self._discovered_path.exists():
                self._discovered = msgspec.json.decode(self._discovered_path.read_bytes())
            self.done = self._read_done()
            self.left = self.done.count(0)
            self._stack = stack.pop_all()

    def append(self, answers: Sequence[Answer]) -> None:
        """Put answers on the disk.

        Raises:
            StageError: the disk is full or gone; none of these was written, all others are kept.
        """
        with _explain_disk_errors(self._journal.path):
            self._journal.append(answers)
        for answer in answers:
            self.done[answer.row - self.rows.start] = 1
        self.left -= len(answers)

    def record_discovered(self, found: Mapping[str, str]) -> None:
        """Keep what the backend found out at work, for the file's metadata."""
        if found and found != self._discovered:
            self._discovered = dict(found)
            write_text(self._discovered_path, msgspec.json.encode(self._discovered).decode())

    def seal(self) -> None:
        """Write the answers to Parquet in the order of the table, and drop the journal.

        Raises:
            StageError: the disk is full or gone; the journal is kept.
        """
        with _explain_disk_errors(self._sealed):
            self._seal()

    def _seal(self) -> None:
        import numpy as np

        assert self.left == 0, f"{self.shard} has rows left"
        places = np.zeros(len(self.rows), np.int64)
        for place, answer in self._journal.located():
            places[answer.row - self.rows.start] = place
        totals = dict[str, int]()
        with TableWriter(self._sealed, Answer) as table:
            for answer in self._journal.read(map(int, places)):
                table.append(answer)
                _add_to_totals(totals, answer)
            table.metadata["totals"] = msgspec.json.encode(totals).decode()
            table.metadata["found"] = msgspec.json.encode(self._discovered).decode()
        self._journal.path.unlink()
        self._discovered_path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Let go of the shard; it can be opened again."""
        self._stack.close()

    def _read_done(self) -> bytearray:
        done = bytearray(len(self.rows))
        for answer in self._journal.rows():
            place = answer.row - self.rows.start
            if not 0 <= place < len(done) or done[place]:
                raise ValueError(
                    f"{self._journal.path} is damaged: row {answer.row} is there twice"
                )
            done[place] = 1
        return done


def is_incomplete(folder: Path, shard: Shard) -> bool:
    """Return whether rows of the shard have no answer, or were refused for a transient reason."""
    sealed = sealed_path(folder, shard)
    if not sealed.exists() or journal_path(folder, shard).exists():
        return True
    return _read_totals(sealed).get("transient", 0) > 0


@contextmanager
def _explain_disk_errors(path: Path) -> Generator[None]:
    """Say what a failing disk means."""
    try:
        yield
    except OSError as error:
        raise StageError(
            f"cannot write {path}: {error.strerror or error}. Every answer that was counted is "
            "on the disk: make room, and run the same command again."
        ) from error


def sum_totals(folder: Path, shards: Sequence[Shard]) -> dict[str, int]:
    """Return the sums over sealed shards: "answers", "refused", "transient", tokens, attempts."""
    totals = dict[str, int]()
    for shard in shards:
        for name, total in _read_totals(sealed_path(folder, shard)).items():
            totals[name] = totals.get(name, 0) + total
    return totals


def collect_discovered(folder: Path, shards: Sequence[Shard]) -> dict[str, list[str]]:
    """Return what the backends of sealed shards found out; more than one value is a warning."""
    found = dict[str, set[str]]()
    for shard in shards:
        metadata = read_metadata(sealed_path(folder, shard))
        for name, value in msgspec.json.decode(metadata["found"], type=dict[str, str]).items():
            found.setdefault(name, set()).add(value)
    return {name: sorted(values) for name, values in found.items()}


def _read_totals(sealed: Path) -> dict[str, int]:
    return msgspec.json.decode(read_metadata(sealed)["totals"], type=dict[str, int])


def _add_to_totals(totals: dict[str, int], answer: Answer) -> None:
    refused = answer.status == "refused"
    counted = {
        "answers": 1,
        "refused": int(refused),
        "transient": int(refused and answer.transient),
        "second_draws": int(bool(answer.first_draw)),
        "attempts": answer.attempts,
        "tokens_in": answer.tokens_in,
        "tokens_out": answer.tokens_out,
    }
    for name, count in counted.items():
        totals[name] = totals.get(name, 0) + count


def _reopen_sealed(sealed: Path, path: Path) -> None:
    """Begin a journal with the rows of a sealed shard that are settled."""
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    group = list[Answer]()
    with closing(Journal(temporary, Answer)) as journal:
        for answer in stream_parquet(sealed, Answer):
            if not answer.transient:
                group.append(answer)
            if len(group) == 1000:
                journal.append(group)
                group.clear()
        journal.append(group)
    replace_file(temporary, path)
