"""A few clips to listen to, with their caption, their tags, and the trained model's predictions."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from earmark import audio
from earmark.records import AudioSpan, Caption, Clip, Example, Labels, TagSet, audio_span
from earmark.report.run import RunData

MAX_CLIPS = 9
MAX_CLIP_S = 8.0
SAMPLE_RATE = 24000
MAX_PREDICTIONS = 8


@dataclass(frozen=True)
class TagPrediction:
    """A tag that the trained model gives, its score in [0, 1], and whether the clip has it."""

    tag: str
    score: float
    agrees: bool


@dataclass(frozen=True)
class SampleClip:
    """One clip of the page; `sound` is a data URI, or None with the reason in `silent`."""

    name: str
    domain: str
    duration_s: float
    sound: str | None
    silent: str
    caption: str
    summary: str
    tags: tuple[str, ...]
    predictions: tuple[TagPrediction, ...]
    labels: Labels


def read_samples(found: RunData) -> tuple[SampleClip, ...]:
    """Return the clips of `pick_clips` with all that is known of them."""
    captions = {row.id: row for row in found.rows("caption", "captions.parquet", Caption)}
    tags = {row.id: row.tags for row in found.rows("tag", "tags.parquet", TagSet)}
    examples = found.rows("manifest", "manifest.parquet", Example)
    tags |= {example.id: example.tags for example in examples}
    chosen = pick_clips(found)
    sounds = {clip.id: encode_audio(audio_span(clip)) for clip in chosen}
    predicted = _predict(found, [clip for clip in chosen if sounds[clip.id][0]])
    return tuple(
        _sample(clip, sounds[clip.id], captions, tags, predicted.get(clip.id, []))
        for clip in chosen
    )


def pick_clips(found: RunData) -> list[Clip]:
    """Return up to nine clips, the same for the same run, spread over the domains.

    They come from the test split where there is one, else from whatever is captioned.
    """
    examples = found.rows("manifest", "manifest.parquet", Example)
    held_out = {example.id for example in examples if example.split == "test"}
    pool = held_out or {row.id for row in found.rows("caption", "captions.parquet", Caption)}
    clips = [clip for clip in found.rows("scan", "clips.parquet", Clip) if clip.id in pool]
    return spread_over_domains(clips, MAX_CLIPS)


def spread_over_domains(clips: Sequence[Clip], count: int) -> list[Clip]:
    """Choose `count` clips, taking turns between domains; within one, in order of the hash."""
    queues = dict[str, list[Clip]]()
    for clip in sorted(clips, key=lambda clip: clip.id):
        queues.setdefault(true_domain(clip.labels), []).append(clip)
    chosen = dict[str, list[Clip]]()
    while sum(map(len, chosen.values())) < count and any(queues.values()):
        for domain in sorted(queues):
            if queues[domain] and sum(map(len, chosen.values())) < count:
                chosen.setdefault(domain, []).append(queues[domain].pop(0))
    return [clip for domain in sorted(chosen) for clip in chosen[domain]]


def true_domain(labels: Labels) -> str:
    """Return the true domain, "" where none is known."""
    return ", ".join(labels.get("domain", ()))


def encode_audio(span: AudioSpan) -> tuple[str | None, str]:
    """Return (data URI of the first seconds as a small mono MP3, "") or (None, why not)."""
    import soundfile

    shown_s = MAX_CLIP_S if span.duration_s is None else min(MAX_CLIP_S, span.duration_s)
    try:
        wave = audio.load(span.path, SAMPLE_RATE, start_s=span.start_s, duration_s=shown_s)
    except audio.AudioError as error:
        return None, error.reason
    kind, mime = ("MP3", "mpeg") if "MP3" in soundfile.available_formats() else ("OGG", "ogg")
    buffer = io.BytesIO()
    soundfile.write(buffer, wave.clip(-1, 1), SAMPLE_RATE, format=kind)
    return f"data:audio/{mime};base64,{base64.b64encode(buffer.getvalue()).decode()}", ""


def _predict(found: RunData, clips: Sequence[Clip]) -> Mapping[str, list[tuple[str, float]]]:
    """Return the trained model's tags by clip id; none where nothing is trained, or no tags."""
    checkpoint = found.file("pretrain", "checkpoint")
    if checkpoint is None or not clips:
        return {}
    from earmark.pretrain.inference.load import can_label

    if not can_label(checkpoint):
        return {}
    from earmark.pretrain.inference.tagger import load_tagger

    answers = load_tagger(checkpoint).label([audio_span(clip) for clip in clips], MAX_PREDICTIONS)
    return {clip.id: answer for clip, answer in zip(clips, answers, strict=True)}


def _sample(
    clip: Clip,
    sound: tuple[str | None, str],
    captions: Mapping[str, Caption],
    tags: Mapping[str, tuple[str, ...]],
    predicted: Sequence[tuple[str, float]],
) -> SampleClip:
    caption = captions.get(clip.id)
    own = tags.get(clip.id, ())
    return SampleClip(
        name=clip.name,
        domain=true_domain(clip.labels),
        duration_s=clip.duration_s,
        sound=sound[0],
        silent=sound[1],
        caption=caption.text if caption else "",
        summary=caption.summary if caption else "",
        tags=own,
        predictions=tuple(TagPrediction(tag, score, tag in own) for tag, score in predicted),
        labels=clip.labels,
    )
