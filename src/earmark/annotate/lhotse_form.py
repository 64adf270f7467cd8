"""The manifest as Lhotse reads it: a line of JSON for each clip, in the form of a MonoCut.

Written by hand, because a training job should not need Lhotse to be made, only to be read:
`lhotse.CutSet.from_file("manifest.jsonl.gz")`. What a clip was annotated with stands where the
paper's manifests have it (section 3.3): `cut.supervisions[0].custom`.
"""

from __future__ import annotations

from typing import Any

from earmark.records import Clip, Example


def mono_cut(example: Example, clip: Clip) -> dict[str, Any]:
    """Return the MonoCut of one clip: its first channel, from start to end."""
    samples = round(clip.duration_s * clip.sample_rate)
    duration_s = samples / clip.sample_rate
    return {
        "id": example.id,
        "start": 0.0,
        "duration": duration_s,
        "channel": 0,
        "supervisions": [_supervision(example, duration_s)],
        "recording": {
            "id": example.id,
            "sources": [
                {"type": "file", "channels": list(range(clip.channels)), "source": example.path}
            ],
            "sampling_rate": clip.sample_rate,
            "num_samples": samples,
            "duration": duration_s,
            "channel_ids": list(range(clip.channels)),
        },
        "custom": {"split": example.split, "name": example.name, "labels": example.labels},
        "type": "MonoCut",
    }


def _supervision(example: Example, duration_s: float) -> dict[str, Any]:
    supervision = {
        "id": example.id,
        "recording_id": example.id,
        "start": 0.0,
        "duration": duration_s,
        "channel": 0,
        "custom": {
            "audio_tag": example.tags,
            "caption": example.caption,
            "summary": example.summary,
        },
    }
    return supervision | ({"speaker": example.speaker} if example.speaker is not None else {})
