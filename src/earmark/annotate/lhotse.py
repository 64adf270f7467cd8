"""The manifest in Lhotse's format: a line of JSON for each clip, a MonoCut.

It is written without Lhotse, which a training job needs only to read it:
`lhotse.CutSet.from_file("manifest.jsonl.gz")`. Annotations are where the paper's manifests have
them (section 3.3): `cut.supervisions[0].custom`. The windows of a file are cuts of one recording.
"""

from __future__ import annotations

from typing import Any

from earmark.records import Clip, Example


def to_mono_cut(example: Example, clip: Clip) -> dict[str, Any]:
    """Return the MonoCut of one clip: its first channel, from start to end."""
    duration_s = round(clip.duration_s * clip.sample_rate) / clip.sample_rate
    return {
        "id": example.id,
        "start": clip.start_s,
        "duration": duration_s,
        "channel": 0,
        "supervisions": [_supervision(example, clip.parent or clip.id, duration_s)],
        "recording": _recording(clip),
        "custom": {"split": example.split, "name": example.name, "labels": example.labels},
        "type": "MonoCut",
    }


def _recording(clip: Clip) -> dict[str, Any]:
    """Return the whole file, of which the clip may be a window."""
    file_duration_s = clip.duration_s if clip.parent_duration_s is None else clip.parent_duration_s
    samples = round(file_duration_s * clip.sample_rate)
    channels = list(range(clip.channels))
    return {
        "id": clip.parent or clip.id,
        "sources": [{"type": "file", "channels": channels, "source": clip.path}],
        "sampling_rate": clip.sample_rate,
        "num_samples": samples,
        "duration": samples / clip.sample_rate,
        "channel_ids": channels,
    }


def _supervision(example: Example, recording: str, duration_s: float) -> dict[str, Any]:
    supervision = {
        "id": example.id,
        "recording_id": recording,
        "start": 0.0,
        "duration": duration_s,
        "channel": 0,
        "custom": {
            "audio_tag": example.tags,
            "caption": example.caption,
            "summary": example.summary,
            "original_caption": example.original_captions,
        },
    }
    return supervision | ({"speaker": example.speaker} if example.speaker is not None else {})
