"""From prompts to the inputs of a model: read audio, fill the chat template, tokenize, pad a
batch.

Libraries pad the wave and then compute features, which changes the last frames of the shorter
clips. Here features are computed from each clip alone and padded afterwards, so every value stays
as it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor

from earmark import audio
from earmark.annotate.backends.base import Prompt, Refusal
from earmark.annotate.backends.chat import user_text
from earmark.annotate.backends.transformers.load import LoadedModel, audio_part_name
from earmark.config import ConfigError

if TYPE_CHECKING:
    from earmark.annotate.backends.transformers.backend import TransformersConfig

MIN_AUDIO_S = 0.1
"""Audio encoders make no token at all of less."""

MIN_BATCHED_AUDIO_S = 1.0
"""Shorter clips get no neighbours. Qwen3-Omni's encoder takes chunks of 1 s: alone, a lesser one is
convolved as it is, in a batch it is padded to its neighbours' and its last token changes (seen
with transformers 5.23; all longer clips come out the same)."""

ModelInputs = Mapping[str, Tensor]


class PreparedPrompt(NamedTuple):
    """A prompt's inputs, as a batch of one, and which others it may be batched with."""

    inputs: ModelInputs
    company: Literal["sounds", "texts", "none"]


def prepare_prompt(
    prompt: Prompt, config: TransformersConfig, loaded: LoadedModel
) -> PreparedPrompt | Refusal:
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
        return PreparedPrompt(_text_inputs(prompt, config, loaded), "texts")
    try:
        return _audio_inputs(prompt, prompt.audio, config, loaded)
    except audio.AudioError as error:
        # A file that cannot be read may be back tomorrow; one that cannot be decoded will not.
        transient = error.reason == "unreadable"
        return Refusal(reason=error.reason, detail=str(error), transient=transient)


def _audio_inputs(
    prompt: Prompt, path: str, config: TransformersConfig, loaded: LoadedModel
) -> PreparedPrompt | Refusal:
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
    ear: Any = getattr(processor, audio_part_name(type(processor)) or "")
    rate = int(ear.sampling_rate)
    wave = audio.load(path, rate, start_s=prompt.start_s, duration_s=prompt.duration_s)
    if len(wave) < MIN_AUDIO_S * rate:
        detail = f"{path}: {len(wave) / rate:.3f} s, at least {MIN_AUDIO_S} are needed"
        return Refusal(reason="too short", detail=detail)
    parts = [{"type": "audio", "audio": wave}, *_text_part(user_text(prompt, config))]
    messages = [*_system_message(config, in_parts=True), {"role": "user", "content": parts}]
    company = "none" if len(wave) < MIN_BATCHED_AUDIO_S * rate else "sounds"
    return PreparedPrompt(_fill_template(processor, messages), company)


def _text_inputs(prompt: Prompt, config: TransformersConfig, loaded: LoadedModel) -> ModelInputs:
    text = user_text(prompt, config)
    processor = loaded.processor
    if processor is not None and processor.chat_template is not None:
        user = {"role": "user", "content": _text_part(text)}
        return _fill_template(processor, [*_system_message(config, in_parts=True), user])
    if loaded.tokenizer.chat_template is not None:
        user = {"role": "user", "content": text}
        return _fill_template(loaded.tokenizer, [*_system_message(config, in_parts=False), user])
    plain = f"{config.system}\n\n{text}" if config.system else text
    return loaded.tokenizer(plain, return_tensors="pt")


def _fill_template(filler: Any, messages: list[dict[str, Any]]) -> ModelInputs:
    """Return what the tokenizer or processor makes of the messages and its own chat template."""
    return filler.apply_chat_template(
        messages, tokenize=True, add_generation_prompt=True, return_dict=True, return_tensors="pt"
    )


def _system_message(config: TransformersConfig, in_parts: bool) -> list[dict[str, Any]]:
    if not config.system:
        return []
    content = _text_part(config.system) if in_parts else config.system
    return [{"role": "system", "content": content}]


def _text_part(text: str) -> list[dict[str, str]]:
    return [{"type": "text", "text": text}] if text else []


TOKEN_INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"})
"""Inputs with a value a token. They are padded at the left, for text is added at the right."""


def collate(inputs: Sequence[Mapping[str, Tensor]], pad_token: int) -> dict[str, Tensor]:
    """Return the inputs of several prompts as one batch; zeros fill up all but `input_ids`.

    Tensors of one name are joined along the first axis, and padded along the others.
    """
    return {
        name: _concatenate_padded(
            [one[name] for one in inputs],
            fill=pad_token if name == "input_ids" else 0,
            left=name in TOKEN_INPUTS,
        )
        for name in inputs[0]
    }


def _concatenate_padded(tensors: Sequence[Tensor], fill: int, left: bool) -> Tensor:
    shape = [max(sizes) for sizes in zip(*(one.shape[1:] for one in tensors), strict=True)]
    joined = tensors[0].new_full((sum(len(one) for one in tensors), *shape), fill)
    row = 0
    for one in tensors:
        place = joined[row : row + len(one)]
        for axis, size in enumerate(one.shape[1:], start=1):
            start = place.shape[axis] - size if left else 0
            place = torch.narrow(place, axis, start, size)
        place.copy_(one)
        row += len(one)
    return joined
