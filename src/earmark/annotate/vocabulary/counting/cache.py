"""What was encoded or counted before: a folder for each source, as it was when it was read.

A source is known by its path, inode, size and times: an edit that restores the time of modification
(cp -p, rsync -t) still shows in that of the inode. What is counted of a part lies in its folder,
keyed by how its own terms are grouped: more sources shift the numbers of all terms, but not what
belongs together in this one.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from earmark.annotate.vocabulary.counting.count import Counts, Grouping
from earmark.annotate.vocabulary.counting.join import JoinedPart
from earmark.annotate.vocabulary.counting.parts import Part, write_part
from earmark.annotate.vocabulary.counting.sources import read_chunks
from earmark.config import fingerprint
from earmark.records import publish
from earmark.workspace import locked

FORMAT = 2
"""Raised whenever a part would be written otherwise than before."""
_KEPT_COUNTS = 4  # ways of grouping whose counts a part keeps


def encode_source(source: Path, folder: Path, *, workers: int) -> Part:
    """Return the part of a source; read the source only where none of its present state is there.

    Raises:
        ConfigError: the source cannot be read.
    """
    place = fingerprint(str(source))
    state = source.stat()
    seen = (state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    digest = fingerprint(FORMAT, str(source), seen)
    path = folder / f"part-{place}-{digest}"
    if not path.exists():
        write_part(read_chunks(source, workers=workers), str(source), path)
        for older in folder.glob(f"part-{place}-*"):
            if older != path:
                shutil.rmtree(older)
    return Part(path)


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed process left."""
    for path in folder.glob("part-*.tmp"):
        shutil.rmtree(path)


def saved_counts(joined: JoinedPart, grouping: Grouping, count: Callable[[], Counts]) -> Counts:
    """Return the counts of a part under a canonical grouping; `count` is called for new ones."""
    digest = hashlib.sha256()
    for array in (grouping.group, grouping.seeds, joined.skipped):
        digest.update(len(array).to_bytes(8, "little"))
        digest.update(array.tobytes())
    path = joined.part.folder / f"counts-{digest.hexdigest()[:24]}.npy"
    with contextlib.suppress(FileNotFoundError):
        return np.load(path)
    counts = count()
    # Other processes may have counted the same, and remove old counts too.
    with locked(path.with_name("lock"), wait=True):
        _keep_counts(counts, path)
    return counts


def _keep_counts(counts: Counts, path: Path) -> None:
    """Write counts, and remove the oldest ones beside them, and what a killed process left."""
    for unfinished in path.parent.glob("counts-*.tmp"):
        unfinished.unlink()
    temporary = path.with_suffix(".tmp")
    with open(temporary, "wb") as file:
        np.save(file, counts)
    publish(temporary, path)
    every = sorted(path.parent.glob("counts-*.npy"), key=lambda old: old.stat().st_mtime_ns)
    for old in every[:-_KEPT_COUNTS]:
        old.unlink()
