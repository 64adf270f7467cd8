"""Listen to each file of a corpus once: hash, duration, level, and what is wrong with it.

A killed scan goes on where it was cut off: each finding is in a journal before the next ones are
awaited, and the tables are written from the journal in the corpus's order.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from earmark.audio import AudioError, AudioInfo, probe, stream
from earmark.config import Config
from earmark.progress import track
from earmark.records import (
    Clip,
    Rejected,
    Row,
    Source,
    count_reasons,
    read_parquet,
    write_parquet,
)

from .ledger import Journal
from .loudness import measure_level

GROUP = 64  # findings that share one write to the disk, where they come fast
GROUP_S = 2.0  # the longest that a finding waits for it
HASH_BLOCK_BYTES = 1 << 20


class ScanConfig(Config, frozen=True, kw_only=True):
    """What makes a file a clip.

    Args:
        min_duration_s: shorter files are rejected, seconds.
        max_duration_s: longer files are rejected, seconds; they are not cut.
        silence_dbfs: files whose sample peak is below this are rejected, dBFS.
        workers: threads that decode; 0 takes one for each core. The result is the same for all.
    """

    min_duration_s: Annotated[float, Meta(ge=0)] = 0.1
    max_duration_s: Annotated[float, Meta(gt=0)] = 60.0
    silence_dbfs: Annotated[float, Meta(ge=-100, le=0)] = -60.0
    workers: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        """Refuse bounds that no file can meet."""
        if self.min_duration_s > self.max_duration_s:
            raise ValueError(
                f"min_duration_s = {self.min_duration_s} is above "
                f"max_duration_s = {self.max_duration_s}, so no file could pass"
            )


class Finding(Row, frozen=True, kw_only=True):
    """What listening to one source gave: a clip's measures, or a `reason` to reject it."""

    name: str
    id: str = ""
    duration_s: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    peak_dbfs: float = 0.0
    loudness_lufs: float = 0.0
    reason: str = ""
    detail: str = ""


def scan(sources: Sequence[Source], config: ScanConfig, folder: Path) -> dict[str, int]:
    """Write clips.parquet and rejected.parquet into `folder`; returns counts.

    A source is rejected with stage "scan", its name as the id, and one of these reasons:
    "unreadable", "undecodable", "empty", "truncated", "not finite" (see `earmark.audio`), "too
    short", "too long", "silent", and "duplicate" where an earlier source has the same bytes. Both
    tables are in the order of `sources`.

    Raises:
        OSError: `folder` cannot be written; what was found until then is kept.
    """
    path = folder / "journal.jsonl"
    tables = folder / "clips.parquet", folder / "rejected.parquet"
    if path.exists() or not all(table.exists() for table in tables):
        with closing(Journal(path, Finding, lambda finding: finding.name)) as journal:
            _listen_to_all(sources, config, journal)
            clips, rejected = decide(sources, {row.name: row for row in journal.rows()})
        write_parquet(tables[0], clips, Clip)
        write_parquet(tables[1], rejected, Rejected)
        path.unlink()
    clips, rejected = read_parquet(tables[0], Clip), read_parquet(tables[1], Rejected)
    return {"in": len(sources), "out": len(clips), **count_reasons(rejected)}


def listen(source: Source, config: ScanConfig) -> Finding:
    """Decode one file and measure it; whatever is wrong with it becomes the finding's reason."""
    try:
        info = probe(source.path)
        if fault := _duration_fault(info, config):
            return Finding(name=source.name, reason=fault[0], detail=fault[1])
        level = measure_level(stream(source.path), info.sample_rate)
        if level.peak_dbfs < config.silence_dbfs:
            detail = f"peak {level.peak_dbfs:.1f} dBFS; silence_dbfs is {config.silence_dbfs}"
            return Finding(name=source.name, reason="silent", detail=detail)
        digest = hash_file(source.path)
    except AudioError as error:
        return Finding(name=source.name, reason=error.reason, detail=str(error))
    except OSError as error:
        return Finding(name=source.name, reason="unreadable", detail=f"{source.path}: {error}")
    return Finding(
        name=source.name,
        id=digest,
        duration_s=info.duration_s,
        sample_rate=info.sample_rate,
        channels=info.channels,
        peak_dbfs=level.peak_dbfs,
        loudness_lufs=level.loudness_lufs,
    )


def hash_file(path: str | Path) -> str:
    """Return the first 32 hex digits of the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(HASH_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()[:32]


def decide(
    sources: Sequence[Source], findings: dict[str, Finding]
) -> tuple[list[Clip], list[Rejected]]:
    """Turn findings by name into rows in the order of `sources`.

    Of several sources with the same bytes the first one is the clip, however the threads ran.
    """
    clips: list[Clip] = []
    rejected: list[Rejected] = []
    first_names: dict[str, str] = {}
    for source in sources:
        finding = findings[source.name]
        if finding.reason:
            rejected.append(_reject(source, finding.reason, finding.detail))
        elif finding.id in first_names:
            detail = f"same bytes as {first_names[finding.id]}"
            rejected.append(_reject(source, "duplicate", detail))
        else:
            first_names[finding.id] = source.name
            clips.append(_clip(source, finding))
    return clips, rejected


def _listen_to_all(
    sources: Sequence[Source], config: ScanConfig, journal: Journal[Finding]
) -> None:
    """Put a finding for each source into the journal, but for those that it holds already."""
    left = [source for source in sources if source.name not in journal]
    ready: list[Finding] = []
    written_s = time.monotonic()
    with track("scan", total=len(sources), resumed=len(sources) - len(left)) as progress:
        for finding in _in_threads(left, config):
            ready.append(finding)
            if len(ready) >= GROUP or time.monotonic() - written_s > GROUP_S:
                journal.append(ready)
                ready.clear()
                written_s = time.monotonic()
            progress.advance()
        journal.append(ready)


def _in_threads(sources: Sequence[Source], config: ScanConfig) -> Iterator[Finding]:
    """Yield findings as they come, with a bounded number of files under way."""
    workers = config.workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        under_way: set[Future[Finding]] = set()
        for source in sources:
            under_way.add(pool.submit(listen, source, config))
            if len(under_way) >= 4 * workers:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in under_way)


def _duration_fault(info: AudioInfo, config: ScanConfig) -> tuple[str, str] | None:
    if info.duration_s < config.min_duration_s:
        return "too short", f"{info.duration_s:.4f} s; min_duration_s is {config.min_duration_s}"
    if info.duration_s > config.max_duration_s:
        return "too long", f"{info.duration_s:.4f} s; max_duration_s is {config.max_duration_s}"
    return None


def _clip(source: Source, finding: Finding) -> Clip:
    return Clip(
        path=source.path,
        name=source.name,
        labels=source.labels,
        recording=source.recording,
        speaker=source.speaker,
        split=source.split,
        licence=source.licence,
        attribution=source.attribution,
        id=finding.id,
        duration_s=finding.duration_s,
        sample_rate=finding.sample_rate,
        channels=finding.channels,
        peak_dbfs=finding.peak_dbfs,
        loudness_lufs=finding.loudness_lufs,
    )


def _reject(source: Source, reason: str, detail: str) -> Rejected:
    return Rejected(id=source.name, stage="scan", reason=reason, detail=detail)
