"""What chat models are asked, wherever they run: the settings and words that shape an answer."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from earmark.annotate.backends.base import Prompt
from earmark.config import (
    Config,
    ConfigError,
    Name,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

MIN_TAGS, MAX_TAGS = 5, 10

TAG_INSTRUCTION = f"""\
Read the description of an audio clip and write the tags that a search would need to find it.

Cover whatever the description supports of these aspects: the scene or environment; the sources of \
sound; the kinds of sound and events; the traits of the recording and its production; its function \
or intent.

Give {MIN_TAGS} to {MAX_TAGS} tags. Each is one lower-case word: common, reusable for other \
clips, never a synonym or another form of a tag already given. Do not tag what the description \
says is absent or only guesses. Answer with a JSON list of strings and nothing else.

Description:
{{caption}}"""
"""For taggers: the five aspects of paper section 3.1, in our words."""

TAG_SCHEMA = {
    "type": "array",
    "items": {"type": "string", "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"},
    "minItems": MIN_TAGS,
    "maxItems": MAX_TAGS,
}
"""JSON Schema of a tagger's answer, for servers that hold a model to one."""


class ChatConfig(Config, frozen=True, kw_only=True):
    """What a chat model is asked and how it decodes; every field can change its answers.

    Args:
        model: the model's name, as the server or the hub knows it.
        revision: which version of it: a commit, a tag, a date. It is recorded, and changes the
            fingerprint; a backend that loads the model itself loads this one.
        instruction: what stands in the user's message beside the audio, "" for nothing (the
            captioner of the paper asks for none); for texts, a template with "{caption}" in it,
            where "" means `TAG_INSTRUCTION`.
        system: the system message, "" for none.
        temperature: of sampling; 0 is greedy.
        top_p: the nucleus sampled from, a share of probability.
        top_k: the most likely tokens sampled from; 0 for all.
        max_tokens: the longest answer, tokens.
        seed: of the first draw; a second draw takes the next one.
        max_audio_s: longer clips are refused ("too long"), seconds: what the model was made for.
        max_text_characters: longer texts are refused ("too long").
    """

    model: Name
    revision: str = ""
    instruction: str = ""
    system: str = ""
    temperature: NonNegativeFloat = 0.6
    top_p: Annotated[float, Meta(gt=0, le=1)] = 0.95
    top_k: NonNegativeInt = 0
    max_tokens: PositiveInt = 2048
    seed: int = 0
    max_audio_s: PositiveFloat = 30.0
    max_text_characters: PositiveInt = 20_000


def user_text(prompt: Prompt, config: ChatConfig) -> str:
    """Return the text of the user's message, "" for audio that is sent without words.

    Raises:
        ConfigError: the instruction for a text has no place for it.
    """
    if prompt.text is None:
        return config.instruction
    check_tagging(config)
    return (config.instruction or TAG_INSTRUCTION).replace("{caption}", prompt.text)


def check_tagging(config: ChatConfig) -> None:
    """Refuse an instruction for texts that has no place for them. Raises ConfigError."""
    if config.instruction and "{caption}" not in config.instruction:
        raise ConfigError('instruction: put "{caption}" where the text to be tagged should stand')
