"""Decode each file of a corpus once: hash, duration, level, and what is wrong with it.

Interrupted scans resume: each result is in a journal before the next ones are awaited, and the
tables are written from the journal in the corpus's order. A file longer than `window_s` gives one
clip for each of its windows (see `segment`).
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import Annotated

from msgspec import Meta
from msgspec.structs import replace

from earmark.annotate.journal import Journal
from earmark.annotate.loudness import measure_level
from earmark.annotate.segment import (
    MIN_WINDOW_S,
    Window,
    clip_from_window,
    segment_file,
    window_name,
)
from earmark.audio import AudioError, AudioInfo, probe, stream
from earmark.config import Config, ConfigError, NonNegativeFloat, NonNegativeInt, PositiveFloat
from earmark.io import hash_file
from earmark.progress import track
from earmark.records import Clip, Rejected, Row, Source
from earmark.tables import count_rejections, read_parquet, write_parquet


class ScanResult(Row, frozen=True, kw_only=True):
    """What listening to one source gave: a clip's measures, or a `reason` to reject it.

    A file that was cut has its levels in its `windows`.
    """

    name: str
    id: str = ""
    duration_s: float = 0.0
    sample_rate: int = 0
    channels: int = 0
    peak_dbfs: float = 0.0
    loudness_lufs: float = 0.0
    windows: tuple[Window, ...] = ()
    reason: str = ""
    detail: str = ""


def clips_from_results(
    sources: Sequence[Source], findings: Mapping[str, ScanResult], silence_dbfs: float
) -> tuple[list[Clip], list[Rejected]]:
    """Turn findings by name into rows in the order of `sources`.

    Of several sources with the same bytes the first one is the clip, however the threads ran. A
    source that was cut gives a row for each of its windows.
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
            rows = list(
                _expand_windows(_build_clip(source, finding), finding.windows, silence_dbfs)
            )
            clips += [row for row in rows if isinstance(row, Clip)]
            rejected += [row for row in rows if isinstance(row, Rejected)]
    return clips, rejected


def silence_detail(peak_dbfs: float, silence_dbfs: float) -> str:
    """Return why something of this sample peak is silent, "" where it is not."""
    if peak_dbfs >= silence_dbfs:
        return ""
    return f"peak {peak_dbfs:.1f} dBFS; silence_dbfs is {silence_dbfs}"


def _expand_windows(
    whole: Clip, windows: Sequence[Window], silence_dbfs: float
) -> Iterator[Clip | Rejected]:
    """Yield a file that was not cut, or each of its windows."""
    if not windows:
        yield whole
    for window in windows:
        if detail := silence_detail(window.peak_dbfs, silence_dbfs):
            name = window_name(whole.name, window, whole.sample_rate)
            yield Rejected(id=name, stage="scan", reason="silent", detail=detail)
        else:
            yield clip_from_window(whole, window)


def _build_clip(source: Source, finding: ScanResult) -> Clip:
    return Clip(
        path=source.path,
        name=source.name,
        labels=source.labels,
        recording=source.recording,
        speaker=source.speaker,
        split=source.split,
        licence=source.licence,
        attribution=source.attribution,
        original_captions=source.original_captions,
        id=finding.id,
        duration_s=finding.duration_s,
        sample_rate=finding.sample_rate,
        channels=finding.channels,
        peak_dbfs=finding.peak_dbfs,
        loudness_lufs=finding.loudness_lufs,
    )


def _reject(source: Source, reason: str, detail: str) -> Rejected:
    return Rejected(id=source.name, stage="scan", reason=reason, detail=detail)


COMMIT_ROWS = 64  # findings that share one write to the disk, where they come fast

COMMIT_INTERVAL_S = 2.0  # the longest that a finding waits for it

DEFAULT_MAX_DURATION_S = 60.0

DEFAULT_MAX_CUT_DURATION_S = 24 * 3600.0

MAX_TO_MIN_WINDOW = 3  # a window is at least a third of window_s


class ScanConfig(Config, frozen=True, kw_only=True):
    """What makes a file a clip.

    Args:
        min_duration_s: shorter files are rejected, seconds.
        window_s: longer files are cut at quiet places into windows of at most so many seconds, and
            at least a third of it; each is a clip. Without it, no file is cut. At least 1.
        max_duration_s: longer files are rejected, seconds. It bounds the whole file, cut or not;
            without it, that is 60, or 24 hours where `window_s` is given.
        silence_dbfs: files and windows whose sample peak is below this are rejected, dBFS.
        workers: threads that decode; 0 takes one for each core. The result is the same for all.
    """

    min_duration_s: NonNegativeFloat = 0.1
    window_s: Annotated[float, Meta(ge=MIN_WINDOW_S)] | None = None
    max_duration_s: PositiveFloat | None = None
    silence_dbfs: Annotated[float, Meta(ge=-100, le=0)] = -60.0
    workers: NonNegativeInt = 0

    def check(self) -> None:
        """Refuse bounds that no file can meet. Raises ConfigError."""
        if self.min_duration_s > self.longest_s:
            raise ConfigError(
                f"min_duration_s = {self.min_duration_s} is above "
                f"max_duration_s = {self.longest_s}, so no file could pass"
            )
        if self.window_s is None:
            return
        if self.window_s >= self.longest_s:
            raise ConfigError(
                f"window_s = {self.window_s} is not below max_duration_s = {self.longest_s}, which "
                "bounds the whole file, so none would be cut: raise it or leave it out"
            )
        if self.window_s < MAX_TO_MIN_WINDOW * self.min_duration_s:
            raise ConfigError(
                f"window_s = {self.window_s} may give windows of a third of it, which "
                f"min_duration_s = {self.min_duration_s} would reject: give at least "
                f"window_s = {MAX_TO_MIN_WINDOW * self.min_duration_s}"
            )

    @property
    def longest_s(self) -> float:
        """Return the duration that a whole file may have, seconds."""
        if self.max_duration_s is not None:
            return self.max_duration_s
        return DEFAULT_MAX_DURATION_S if self.window_s is None else DEFAULT_MAX_CUT_DURATION_S


def scan(sources: Sequence[Source], config: ScanConfig, folder: Path) -> dict[str, int]:
    """Write clips.parquet and rejected.parquet into `folder`; returns counts.

    A source is rejected with stage "scan", its name as the id, and one of these reasons:
    "unreadable", "undecodable", "empty", "truncated", "not finite" (see `earmark.audio`), "too
    short", "too long", "silent", and "duplicate" where an earlier source has the same bytes. A
    window is rejected as "silent" under a name of its own. Both tables are in the order of
    `sources`.

    "in" counts sources, and of a source that was cut its windows. Where files may be cut, "files"
    is the number of sources.

    Raises:
        OSError: `folder` cannot be written; what was found until then is kept.
    """
    path = folder / "journal.jsonl"
    tables = folder / "clips.parquet", folder / "rejected.parquet"
    if path.exists() or not all(table.exists() for table in tables):
        with closing(Journal(path, ScanResult)) as journal:
            _scan_missing(sources, config, journal)
            findings = {row.name: row for row in journal.rows()}
        clips, rejected = clips_from_results(sources, findings, config.silence_dbfs)
        write_parquet(tables[0], clips, Clip)
        write_parquet(tables[1], rejected, Rejected)
        path.unlink()
    clips, rejected = read_parquet(tables[0], Clip), read_parquet(tables[1], Rejected)
    counts = {"out": len(clips), **count_rejections(rejected)}
    if config.window_s is None:
        return {"in": len(sources), **counts}
    names = [*(clip.name for clip in clips), *(row.id for row in rejected)]
    return {"in": len(sources) + _count_extra_rows(sources, names), "files": len(sources), **counts}


def scan_file(source: Source, config: ScanConfig) -> ScanResult:
    """Decode one file and measure it; whatever is wrong with it becomes the finding's reason."""
    try:
        info = probe(source.path)
        if fault := _duration_fault(info, config):
            return ScanResult(name=source.name, reason=fault[0], detail=fault[1])
        return _measure_file(source, info, config)
    except AudioError as error:
        return ScanResult(name=source.name, reason=error.reason, detail=str(error))
    except OSError as error:
        return ScanResult(name=source.name, reason="unreadable", detail=f"{source.path}: {error}")


def _scan_missing(
    sources: Sequence[Source], config: ScanConfig, journal: Journal[ScanResult]
) -> None:
    """Put a finding for each source into the journal, but for those that it holds already."""
    done = {finding.name for finding in journal.rows()}
    left = [source for source in sources if source.name not in done]
    ready: list[ScanResult] = []
    written_s = time.monotonic()
    with track("scan", total=len(sources), resumed=len(sources) - len(left)) as progress:
        for finding in _scan_in_threads(left, config):
            ready.append(finding)
            if len(ready) >= COMMIT_ROWS or time.monotonic() - written_s > COMMIT_INTERVAL_S:
                journal.append(ready)
                ready.clear()
                written_s = time.monotonic()
            progress.advance()
        journal.append(ready)


def _scan_in_threads(sources: Sequence[Source], config: ScanConfig) -> Iterator[ScanResult]:
    """Yield findings as they come, with a bounded number of files under way."""
    workers = config.workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        under_way: set[Future[ScanResult]] = set()
        for source in sources:
            under_way.add(pool.submit(scan_file, source, config))
            if len(under_way) >= 4 * workers:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        yield from (future.result() for future in under_way)


def _duration_fault(info: AudioInfo, config: ScanConfig) -> tuple[str, str] | None:
    if info.duration_s < config.min_duration_s:
        return "too short", f"{info.duration_s:.4f} s; min_duration_s is {config.min_duration_s}"
    if info.duration_s > config.longest_s:
        return "too long", f"{info.duration_s:.4f} s; max_duration_s is {config.longest_s}"
    return None


def _measure_file(source: Source, info: AudioInfo, config: ScanConfig) -> ScanResult:
    found = ScanResult(
        name=source.name,
        duration_s=info.duration_s,
        sample_rate=info.sample_rate,
        channels=info.channels,
    )
    if config.window_s is not None and info.duration_s > config.window_s:
        windows = segment_file(source.path, info, config.window_s)
        return replace(found, id=hash_file(source.path), windows=windows)
    level = measure_level(stream(source.path), info.sample_rate)
    if detail := silence_detail(level.peak_dbfs, config.silence_dbfs):
        return ScanResult(name=source.name, reason="silent", detail=detail)
    return replace(
        found,
        id=hash_file(source.path),
        peak_dbfs=level.peak_dbfs,
        loudness_lufs=level.loudness_lufs,
    )


def _count_extra_rows(sources: Sequence[Source], names: Iterable[str]) -> int:
    """Return how many more rows there are than files, by cutting.

    It is counted from the names, that a source without any row would still be missed.
    """
    files = {source.name for source in sources}
    windows = [name for name in names if name not in files]
    return len(windows) - len({name.rpartition("#")[0] for name in windows})
