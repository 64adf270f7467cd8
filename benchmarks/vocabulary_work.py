"""Work that is measured: each in a fresh interpreter, so that time and memory are its own."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import msgspec

SIZES = (800, 1000, 1500, 2000, 3000)


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is to do.

    Args:
        task: make rows ("parquet", "jsonl") into the one source, or a vocabulary of the sources,
            plainly ("baseline") or with earmark.
        folder: where the vocabulary goes.
        first, rows: which rows to make; the baseline reads the first `rows`.
        common: see `Language`.
        normalize, workers, cache: see `write_vocabulary`.
    """

    task: Literal["parquet", "jsonl", "baseline", "earmark"]
    sources: tuple[str, ...]
    folder: str = ""
    first: int = 0
    rows: int = 0
    common: int | None = None
    normalize: Literal["all", "none"] = "all"
    workers: int = 0
    cache: str | None = None


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Time from start to end of a process, CPU time of all its threads, peak of its memory."""

    wall_s: float
    cpu_s: float
    peak_gib: float


def measured(work: Work) -> Cost:
    """Do the work in a process of its own; what others left to be written is on the disk before."""
    os.sync()
    command = [sys.executable, __file__, msgspec.json.encode(work).decode()]
    before_s, started_s = _children_cpu_s(), time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    wall_s = time.monotonic() - started_s
    peak_gib = float(done.stdout.split()[-1])
    return Cost(wall_s=wall_s, cpu_s=_children_cpu_s() - before_s, peak_gib=peak_gib)


def made(path: Path, first: int, rows: int, *, common: int | None = None) -> str:
    """Return the name of a file of rows, which is made where it is not there yet."""
    task: Literal["parquet", "jsonl"] = "jsonl" if path.suffix == ".jsonl" else "parquet"
    named = path.with_name(f"{path.stem}-{first}-{rows}{path.suffix}")
    if not named.exists():
        growing = named.with_name(named.name + ".tmp")
        measured(Work(task=task, sources=(str(growing),), first=first, rows=rows, common=common))
        growing.rename(named)
    return str(named)


def do(work: Work) -> None:
    """Run in the measured process, which imports what its own task needs."""
    sources = [Path(source) for source in work.sources]
    if work.task == "parquet":
        from vocabulary_rows import Language

        Language(common=work.common).write_parquet(sources[0], work.first, work.rows)
    elif work.task == "jsonl":
        from vocabulary_rows import Language

        Language(common=work.common).write_jsonl(sources[0], work.first, work.rows)
    elif work.task == "baseline":
        from vocabulary_baseline import build_and_filter

        folder = Path(work.folder)
        for size, tags in build_and_filter(sources[0], SIZES, folder, work.rows).items():
            (folder / f"label_{size}.txt").write_text("".join(f"{tag}\n" for tag in tags))
    else:
        _make_vocabulary(work, sources)


def _make_vocabulary(work: Work, sources: list[Path]) -> None:
    from earmark.annotate.vocabulary.build import write_vocabulary
    from earmark.annotate.vocabulary.config import VocabularyConfig

    write_vocabulary(
        sources,
        VocabularyConfig(sizes=SIZES, normalize=work.normalize),
        Path(work.folder),
        filtered=True,
        workers=work.workers,
        cache=Path(work.cache) if work.cache else None,
    )


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _own_peak_gib() -> float:
    """Return the peak of this process; ru_maxrss would begin with that of its parent."""
    status = Path("/proc/self/status").read_text()
    return float(status.partition("VmHWM:")[2].split()[0]) / 2**20


if __name__ == "__main__":
    do(msgspec.json.decode(sys.argv[1], type=Work))
    print(_own_peak_gib())
