"""The rows that stages hand to each other.

Each stage keys its rows by clip id and writes them to one table (see `earmark.tables`). One row
comes out for each row that goes in: a result, or a `Rejected` with its stage and reason.
"""

from __future__ import annotations

import msgspec

SPLITS = ("train", "validation", "test")
"""From what a model sees most of to what it never sees."""

Labels = dict[str, tuple[str, ...]]
"""True labels by field: {"domain": ("music",), "instrument": ("flute", "piano")}."""


class Row(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every stored row."""


class Source(Row, frozen=True, kw_only=True):
    """A file that a corpus offers, before anyone has listened to it.

    `name` is unique in the corpus and stable between machines (usually the relative path).
    `recording` and `speaker` are kept on one side of every split. `labels` are true labels; only
    probes and audit may read them, never a captioner or tagger. `original_captions` are words that
    came with the recording; only baselines learn from them.
    """

    path: str
    name: str
    labels: Labels = {}
    recording: str | None = None
    speaker: str | None = None
    split: str | None = None
    licence: str | None = None
    attribution: str | None = None
    original_captions: tuple[str, ...] = ()


class Clip(Source, frozen=True, kw_only=True):
    """A decodable piece of audio: a whole file, or a window of one.

    `id` is the first 32 hex digits of the SHA-256 of the file's bytes; a window's is that of its
    place in such a file. `peak_dbfs` is the sample peak, `loudness_lufs` the integrated loudness of
    ITU-R BS.1770-4; both are at least -100. Of a window, `parent` is the id that the whole file
    has, `parent_duration_s` how long that is, and `start_s` where the window starts in it.
    """

    id: str
    duration_s: float
    sample_rate: int
    channels: int
    peak_dbfs: float
    loudness_lufs: float
    start_s: float = 0.0
    parent: str | None = None
    parent_duration_s: float | None = None


class Rejected(Row, frozen=True, kw_only=True):
    """A row that a stage did not pass on. `reason` is a short fixed word, `detail` is for people.

    `id` is the clip id, or the source name where no id could be had.
    """

    id: str
    stage: str
    reason: str
    detail: str = ""


class Caption(Row, frozen=True, kw_only=True):
    """What a captioner wrote: the whole `text`, and its closing `summary` paragraph."""

    id: str
    text: str
    summary: str
    backend: str


class TagSet(Row, frozen=True, kw_only=True):
    """The tags that a tagger read from one caption, most useful first."""

    id: str
    tags: tuple[str, ...]
    backend: str


class Example(Row, frozen=True, kw_only=True):
    """A row of the manifest: everything that pre-training and probes need to know of one clip.

    `tags` and `tag_ids` agree position by position and hold only tags of the vocabulary.
    `start_s`, `parent` and `original_captions` are those of the `Clip`.
    """

    id: str
    path: str
    name: str
    duration_s: float
    split: str
    recording: str | None
    speaker: str | None
    tags: tuple[str, ...]
    tag_ids: tuple[int, ...]
    caption: str
    summary: str
    labels: Labels
    start_s: float = 0.0
    parent: str | None = None
    original_captions: tuple[str, ...] = ()


class AudioSpan(msgspec.Struct, frozen=True):
    """What to decode of a file: `duration_s` seconds from `start_s` on, or all up to its end."""

    path: str
    start_s: float = 0.0
    duration_s: float | None = None


def audio_span(row: Clip | Example) -> AudioSpan:
    """Return where a clip's samples are.

    A whole file is decoded to its end, whatever its header made of the duration.
    """
    return AudioSpan(row.path, row.start_s, None if row.parent is None else row.duration_s)


def recording_id(example: Example) -> str:
    """Return the recording of a clip; a file of no known recording is its own."""
    return example.recording or example.parent or example.id


class Score(Row, frozen=True, kw_only=True):
    """One measurement: `encoder` on `task`, with a bootstrap interval and what chance would give.

    `status` is "ok", or the reason why there is no value (then `value`, `low`, `high` are NaN).
    `low` and `high` alone are NaN where there are too few test recordings for an interval.
    `clips` is a digest of the test clips, their recordings and what is true of them: scores of
    other clips cannot be paired. It is "" where there are no test clips.
    `probe` says how the features were asked: "linear" (on the mean over time), "attentive" (learnt
    pooling), "knn" (nearest neighbours), "zero-shot", "lit", "captioning", "multiple-choice" or
    "adapter"; `shots` from how many clips a class it was fitted, 0 for all.
    """

    task: str
    encoder: str
    metric: str
    value: float
    low: float
    high: float
    chance: float
    train: int
    test: int
    classes: int
    seed: int
    status: str = "ok"
    probe: str = "linear"
    shots: int = 0
    clips: str = ""
    lower_is_better: bool = False
