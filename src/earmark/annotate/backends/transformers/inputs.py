"""A prompt to what a model's forward pass takes: audio read, chat template filled, tokens made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from torch import Tensor

from earmark import audio
from earmark.annotate.backends.base import Prompt, Refusal
from earmark.annotate.backends.chat import user_text
from earmark.annotate.backends.transformers.config import TransformersConfig
from earmark.annotate.backends.transformers.hearing import ear_of
from earmark.annotate.backends.transformers.load import Loaded
from earmark.config import ConfigError

SHORTEST_S = 0.1
"""Audio encoders make no token at all of less."""

TOGETHER_S = 1.0
"""Shorter clips get no neighbours. Qwen3-Omni's encoder takes chunks of 1 s: alone, a lesser one is
convolved as it is, in a batch it is padded to its neighbours' and its last token changes (seen
with transformers 5.23; all longer clips come out the same)."""

Inputs = Mapping[str, Tensor]


class Ready(NamedTuple):
    """A prompt's inputs, as a batch of one, and which others it may be batched with."""

    inputs: Inputs
    company: Literal["sounds", "texts", "none"]


def prepare(prompt: Prompt, config: TransformersConfig, loaded: Loaded) -> Ready | Refusal:
    """Return what the model takes for one prompt.

    Refused: "no audio" (nor text), "too long", "too short", or the reason of the `AudioError`.

    Raises:
        ConfigError: the model takes no audio or has no chat template to place it with.
    """
    if prompt.audio is None and prompt.text is None:
        return Refusal(reason="no audio", detail=f"prompt {prompt.id} holds neither audio nor text")
    if prompt.text is not None and len(prompt.text) > config.max_text_characters:
        detail = f"{len(prompt.text)} characters, at most {config.max_text_characters} are sent"
        return Refusal(reason="too long", detail=detail)
    if prompt.audio is None:
        return Ready(_text_inputs(prompt, config, loaded), "texts")
    try:
        return _audio_inputs(prompt, prompt.audio, config, loaded)
    except audio.AudioError as error:
        # A file that cannot be read may be back tomorrow; one that cannot be decoded will not.
        passing = error.reason == "unreadable"
        return Refusal(reason=error.reason, detail=str(error), passing=passing)


def _audio_inputs(
    prompt: Prompt, path: str, config: TransformersConfig, loaded: Loaded
) -> Ready | Refusal:
    processor = loaded.processor
    if processor is None:
        raise ConfigError(
            f"model = {config.model!r} takes no audio: a captioner needs a model that hears, "
            "for example Qwen/Qwen3-Omni-30B-A3B-Captioner"
        )
    if processor.chat_template is None:
        raise ConfigError(f"model = {config.model!r} has no chat template, which places the audio")
    duration_s = prompt.duration_s or audio.probe(path).duration_s - prompt.start_s
    if duration_s > config.max_audio_s:
        detail = f"{path}: {duration_s:.1f} s, at most {config.max_audio_s:g} (max_audio_s)"
        return Refusal(reason="too long", detail=detail)
    ear: Any = getattr(processor, ear_of(type(processor)) or "")
    rate = int(ear.sampling_rate)
    wave = audio.load(path, rate, start_s=prompt.start_s, duration_s=prompt.duration_s)
    if len(wave) < SHORTEST_S * rate:
        detail = f"{path}: {len(wave) / rate:.3f} s, at least {SHORTEST_S} are needed"
        return Refusal(reason="too short", detail=detail)
    parts = [{"type": "audio", "audio": wave}, *_text_part(user_text(prompt, config))]
    messages = [*_system(config, in_parts=True), {"role": "user", "content": parts}]
    company = "none" if len(wave) < TOGETHER_S * rate else "sounds"
    return Ready(_fill_template(processor, messages), company)


def _text_inputs(prompt: Prompt, config: TransformersConfig, loaded: Loaded) -> Inputs:
    text = user_text(prompt, config)
    processor = loaded.processor
    if processor is not None and processor.chat_template is not None:
        user = {"role": "user", "content": _text_part(text)}
        return _fill_template(processor, [*_system(config, in_parts=True), user])
    if loaded.tokenizer.chat_template is not None:
        user = {"role": "user", "content": text}
        return _fill_template(loaded.tokenizer, [*_system(config, in_parts=False), user])
    plain = f"{config.system}\n\n{text}" if config.system else text
    return loaded.tokenizer(plain, return_tensors="pt")


def _fill_template(filler: Any, messages: list[dict[str, Any]]) -> Inputs:
    """Return what the tokenizer or processor makes of the messages and its own chat template."""
    return filler.apply_chat_template(
        messages, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )


def _system(config: TransformersConfig, in_parts: bool) -> list[dict[str, Any]]:
    if not config.system:
        return []
    content = _text_part(config.system) if in_parts else config.system
    return [{"role": "system", "content": content}]


def _text_part(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}] if text else []
