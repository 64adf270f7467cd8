"""What a vocabulary costs, against plain scripts on the same rows: time, memory, and sameness.

    python benchmarks/vocabulary.py                   # 1M and 10.7M rows, ten minutes, 15 GB
    python benchmarks/vocabulary.py --quick           # 20k and 60k rows; speed is not judged
    python benchmarks/vocabulary.py speed same        # some of: speed big same
    python benchmarks/vocabulary.py --folder DATA     # keeps the rows there for the next time

The rows are made up (vocabulary_rows.py). The bound is vocabulary_baseline.py, in the same run and
on the same rows. What is measured has a process of its own, from the start of its interpreter to
its end; the rows are in the page cache for both. One line a figure: name, value, unit, goal, ok or
short; "-" where nothing was promised. Exit 1 where one is short.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from vocabulary_work import SIZES, Cost, Work, made, measured

ROWS, BIG_ROWS, SAME_ROWS = 1_000_000, 10_700_000, 200_000
QUICK_ROWS, QUICK_BIG_ROWS = 20_000, 60_000
NEW_SHARE = 0.01
COMMON_RANKS = 200
"""New rows that hold the best tags of each domain alone change no vocabulary's members."""
SHARDS = 7


@dataclass(frozen=True)
class Figure:
    name: str
    value: float
    unit: str
    goal: float | None = None
    bound: Literal["least", "most", "exactly"] = "most"

    @property
    def good(self) -> bool:
        if self.goal is None:
            return True
        if self.bound == "exactly":
            return self.value == self.goal
        return self.value >= self.goal if self.bound == "least" else self.value <= self.goal

    def without_goal(self) -> Figure:
        """Return the figure as it is shown where too few rows were measured to judge speed by."""
        return self if self.bound == "exactly" else replace(self, goal=None)

    def __str__(self) -> str:
        verdict = "-" if self.goal is None else "ok" if self.good else "short"
        goal = "-" if self.goal is None else f"{self.goal:g}"
        return f"{self.name}: {self.value:.2f} {self.unit} {goal} {verdict}"


@dataclass(frozen=True)
class Settings:
    """Where rows are kept and how many there are; the baseline may be run on fewer of them."""

    folder: Path
    rows: int
    big_rows: int
    baseline_rows: int


@contextmanager
def scratch(settings: Settings) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=settings.folder) as folder:
        yield Path(folder)


def spent(name: str, cost: Cost, scale: float = 1.0) -> list[Figure]:
    return [
        Figure(name, scale * cost.wall_s, "s"),
        Figure(f"{name}, CPU", scale * cost.cpu_s, "s"),
    ]


def speed(settings: Settings) -> Iterator[Figure]:
    """Compare with the baseline, whose time grows as its rows do."""
    jsonl = made(settings.folder / "rows.jsonl", 0, settings.rows)
    parquet = made(settings.folder / "rows.parquet", 0, settings.rows)
    scale = settings.rows / settings.baseline_rows
    with scratch(settings) as folder:
        work = Work(
            task="baseline", sources=(jsonl,), folder=str(folder), rows=settings.baseline_rows
        )
        plain = measured(work)
        labels = label_lists(folder)
    told = "" if scale == 1 else f", {scale:g} times that of {settings.baseline_rows} rows"
    yield from spent(f"baseline{told}", plain, scale)
    for normalize in ("all", "none"):
        for form, source, goal in (("Parquet", parquet, 40.0), ("JSONL", jsonl, 8.0)):
            name = f"{form}, normalize {normalize}"
            with scratch(settings) as folder:
                work = Work(
                    task="earmark", sources=(source,), folder=str(folder), normalize=normalize
                )
                ours = measured(work)
                same = label_lists(folder) == labels
            times = scale * plain.wall_s / ours.wall_s
            yield from spent(name, ours)
            yield Figure(f"{name}, of the baseline", times, "times faster", goal, "least")
            yield Figure(f"{name}, peak", ours.peak_gib, "GiB", 1.0)
            if normalize == "none" and scale == 1:
                yield Figure(f"{name}, labels as the baseline's", same, "of 1", 1.0, "exactly")


def label_lists(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("label_*.txt")}


def big(settings: Settings) -> Iterator[Figure]:
    """Show how time and memory grow with the rows, and what a few new rows cost."""
    large = made(settings.folder / "rows.parquet", 0, settings.big_rows)
    small = made(settings.folder / "rows.parquet", 0, settings.rows)
    with scratch(settings) as folder:
        less = measured(Work(task="earmark", sources=(small,), folder=str(folder)))
    with scratch(settings) as folder, scratch(settings) as cache:
        full = built([large], folder, cache)
        growth = full.wall_s / less.wall_s / (settings.big_rows / settings.rows)
        name = f"{settings.big_rows / 1e6:g}M rows"
        yield from spent(name, full)
        yield Figure(f"{name}, peak", full.peak_gib, "GiB", 1.5)
        yield Figure(f"{name}, each against {settings.rows} rows", growth, "times", 1.1)
        yield from updates(settings, large, full, folder, cache)


def updates(
    settings: Settings, large: str, full: Cost, folder: Path, cache: Path
) -> Iterator[Figure]:
    """Add new rows twice: such that change no vocabulary's members, and any.

    Where members changed, the filtered tags of the old rows are due to be written anew.
    """
    first, count = settings.big_rows, round(NEW_SHARE * settings.big_rows)
    common = made(settings.folder / "common.parquet", first, count, common=COMMON_RANKS)
    new = made(settings.folder / "new.parquet", first + count, count)
    for name, sources in (
        ("update, 1 % new rows of common tags", [large, common]),
        ("update, 1 % new rows of any tags", [large, common, new]),
    ):
        before = changed_at(folder, large)
        update = built(sources, folder, cache)
        again = sum(changed_at(folder, large)[size] != before[size] for size in SIZES)
        times = full.wall_s / update.wall_s
        goal = 20.0 if new not in sources else None
        yield from spent(name, update)
        yield Figure(f"{name}, of a full build", times, "times faster", goal, "least")
        yield Figure(f"{name}, old rows filtered anew for", again, f"of {len(SIZES)} sizes")


def changed_at(folder: Path, source: str) -> dict[int, int]:
    """Return when the filtered tags of a source were written, by size, in nanoseconds."""
    name = f"{Path(source).stem}.parquet"
    return {size: (folder / f"tags_{size}" / name).stat().st_mtime_ns for size in SIZES}


def built(sources: Sequence[str], folder: Path, cache: Path, workers: int = 0) -> Cost:
    work = Work(
        task="earmark",
        sources=tuple(sources),
        folder=str(folder),
        cache=str(cache),
        workers=workers,
    )
    return measured(work)


def same(settings: Settings) -> Iterator[Figure]:
    """Compare every byte that is written, by threads, by source files, and after an update."""
    rows = min(settings.rows, SAME_ROWS)
    each = -(-rows // SHARDS)
    path = settings.folder / "same.parquet"
    whole = made(path, 0, rows)
    shards = [made(path, first, min(each, rows - first)) for first in range(0, rows, each)]
    ways = {
        "1 file, 1 thread": [([whole], 1)],
        "1 file, 2 threads": [([whole], 2)],
        f"{SHARDS} files, 1 thread": [(shards, 1)],
        f"{SHARDS} files, 2 threads": [(shards, 2)],
        f"{SHARDS - 1} files and then another": [(shards[1:], 2), (shards, 2)],
    }
    first = ""
    for name, builds in ways.items():
        with scratch(settings) as folder, scratch(settings) as cache:
            for sources, workers in builds:
                built(sources, folder, cache, workers)
            found = digest(folder)
        first = first or found
        yield Figure(f"same results: {name}", found == first, "of 1", 1.0, "exactly")


def digest(folder: Path) -> str:
    """Return a hash of every lock file and label list, and of filtered rows in their ids' order.

    Lock files are compared less the names of what was counted, which is all that may differ.
    """
    import pyarrow.dataset

    whole = hashlib.sha256()
    for path in sorted([*folder.glob("*.json"), *folder.glob("*.txt")]):
        content = path.read_bytes()
        if path.name.startswith("vocabulary"):
            lock = json.loads(content)
            lock["provenance"].pop("sources")
            content = json.dumps(lock).encode()
        whole.update(path.name.encode() + content)
    for size in SIZES:
        table = pyarrow.dataset.dataset(folder / f"tags_{size}", format="parquet").to_table()
        rows = table.select(["id", "tags"]).sort_by("id")
        whole.update(repr([column.to_pylist() for column in rows.columns]).encode())
    return whole.hexdigest()


CASES: dict[str, Callable[[Settings], Iterator[Figure]]] = {
    "speed": speed,
    "big": big,
    "same": same,
}


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="*", help=f"some of: {' '.join(CASES)}")
    parser.add_argument("--quick", action="store_true", help="few rows; speed is not judged")
    parser.add_argument("--rows", type=int, help=f"default {ROWS}")
    parser.add_argument("--big", type=int, help=f"default {BIG_ROWS}")
    parser.add_argument("--baseline-rows", type=int, help="default all")
    parser.add_argument("--folder", type=Path, help="where rows are kept; default a temporary one")
    given = parser.parse_args()
    if unknown := [name for name in given.cases if name not in CASES]:
        parser.error(f"no case {unknown[0]!r}; there are {', '.join(CASES)}")
    return given


def settings_of(given: argparse.Namespace, temporary: str) -> Settings:
    rows = given.rows or (QUICK_ROWS if given.quick else ROWS)
    big_rows = given.big or (QUICK_BIG_ROWS if given.quick else BIG_ROWS)
    folder = given.folder or Path(temporary)
    folder.mkdir(parents=True, exist_ok=True)
    return Settings(folder, rows, big_rows, min(given.baseline_rows or rows, rows))


def main() -> int:
    given = parsed()
    # Bytecode is made once, when a package is installed or first used, and is no part of a build.
    subprocess.run([sys.executable, "-c", "import earmark.annotate.vocabulary.build"], check=True)
    short = 0
    with tempfile.TemporaryDirectory() as temporary:
        settings = settings_of(given, temporary)
        for case in given.cases or CASES:
            for figure in CASES[case](settings):
                shown = figure.without_goal() if given.quick else figure
                short += not shown.good
                print(shown, flush=True)
    return int(short > 0)


if __name__ == "__main__":
    sys.exit(main())
