"""What listening to each source gave, and which clips and rejections follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from earmark.annotate.segment import Window, window_clip, window_name
from earmark.records import Clip, Rejected, Row, Source


class Finding(Row, frozen=True, kw_only=True):
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


def decide(
    sources: Sequence[Source], findings: Mapping[str, Finding], silence_dbfs: float
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
            rows = list(_rows(_clip(source, finding), finding.windows, silence_dbfs))
            clips += [row for row in rows if isinstance(row, Clip)]
            rejected += [row for row in rows if isinstance(row, Rejected)]
    return clips, rejected


def silence(peak_dbfs: float, silence_dbfs: float) -> str:
    """Return why something of this sample peak is silent, "" where it is not."""
    if peak_dbfs >= silence_dbfs:
        return ""
    return f"peak {peak_dbfs:.1f} dBFS; silence_dbfs is {silence_dbfs}"


def _rows(whole: Clip, windows: Sequence[Window], silence_dbfs: float) -> Iterator[Clip | Rejected]:
    """Yield a file that was not cut, or each of its windows."""
    if not windows:
        yield whole
    for window in windows:
        if detail := silence(window.peak_dbfs, silence_dbfs):
            name = window_name(whole.name, window, whole.sample_rate)
            yield Rejected(id=name, stage="scan", reason="silent", detail=detail)
        else:
            yield window_clip(whole, window)


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
