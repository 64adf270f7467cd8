"""Chat models in this process: settings, the digest of a model, and the backend.

Recipes import this module for the settings, so torch and transformers are imported only when the
model is loaded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from earmark.annotate.backends.base import NOTHING_DISCOVERED, Backend, Completion, Prompt, Refusal
from earmark.annotate.backends.chat import ChatConfig
from earmark.annotate.backends.transformers.model_thread import ModelThread
from earmark.config import (
    ConfigError,
    Device,
    Package,
    PositiveInt,
    check_packages,
    fingerprint,
    suggest,
)

if TYPE_CHECKING:
    from earmark.annotate.backends.transformers.generate import ChatModel


class TransformersConfig(
    ChatConfig, frozen=True, kw_only=True, tag="transformers", tag_field="kind"
):
    """A chat model loaded into this process: for small jobs, and to check a served model against.

    Captions want a model that hears (Qwen3-Omni, Qwen2.5-Omni, Qwen2-Audio and others that
    transformers lists for audio and text in, text out); tags any that writes. The model's own chat
    template shapes the prompt. A base model has none: it is given the plain text to go on from.

    Weights are read from safetensors files, and no code that comes with a model is ever run.

    Args:
        model: a folder, or a name on the Hugging Face hub.
        revision: of a model from the hub: name a commit, or the answers of two days may be those
            of two models. In a folder it is only recorded.
        device: "cpu", "cuda", "cuda:1", "mps"; "auto" takes a GPU where there is one.
        dtype: of weights and arithmetic; "auto" is what the weights were saved in.
        batch_size: prompts answered at once, at most. Those that arrive while the model is busy
            are gathered.
    """

    device: Device = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    batch_size: PositiveInt = 1

    @property
    def packages(self) -> tuple[Package, ...]:
        """The models' code."""
        return (Package("transformers", "transformers"),)

    def build(self) -> TransformersBackend:
        """Check what can be checked without loading, and return the backend.

        Raises:
            ConfigError: transformers is not installed, or `model` is neither a folder with a model
                in it nor a name that the hub could know.
        """
        check_packages(self)

        return TransformersBackend(self)


HASHED_SUFFIXES = frozenset({".json", ".jinja", ".txt", ".model", ".tiktoken"})
"""Settings, tokenizer, chat template. Notes, pictures and weights in other forms are not read."""

SAMPLE_BLOCK_BYTES = 4096

SAMPLE_BLOCKS = 256

_HUB_NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")


def model_digest(model: str) -> str:
    """Return what tells this model from others: a folder's digest, or a hub name as it is.

    Of each weight file the digest covers the size, the safetensors header (names, types, shapes)
    and `SAMPLE_BLOCKS` evenly spaced blocks of the data, since two trainings of one model differ in
    nothing else. Training changes weights all over; a few numbers edited by hand can go unseen.

    Raises:
        ConfigError: there is no such folder and the hub has no such names, or the folder lacks a
            config.json or safetensors weights.
    """
    folder = Path(model)
    if not folder.is_dir():
        _check_hub_name(model)
        return model
    weights = sorted(folder.glob("*.safetensors"))
    if not (folder / "config.json").is_file() or not weights:
        raise ConfigError(
            f"model = {model!r}: a folder written by save_pretrained was expected, with "
            f"config.json and *.safetensors in it. {_describe_files(folder)}"
        )
    digest = hashlib.sha256()
    settings = [file for file in folder.iterdir() if file.suffix in HASHED_SUFFIXES]
    for file in sorted(settings):
        content = file.read_bytes()
        digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
    for file in weights:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        for piece in _sample_weights(file):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"


def _sample_weights(path: Path) -> Iterator[bytes]:
    """Read a safetensors file's header and blocks of its data.

    The format: 8 bytes with the header's length, little-endian, the header in JSON, the data
    (https://github.com/huggingface/safetensors#format).
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        data_start = 8 + int.from_bytes(file.read(8), "little")
        if data_start > size:
            raise ConfigError(f"{path} is cut short or is no safetensors file; copy it again")
        yield file.read(data_start - 8)
        for block in range(SAMPLE_BLOCKS):
            file.seek(data_start + (size - data_start) * block // SAMPLE_BLOCKS)
            yield file.read(SAMPLE_BLOCK_BYTES)


def _check_hub_name(model: str) -> None:
    if _HUB_NAME.fullmatch(model) and not model.startswith("."):
        return
    folder = Path(model)
    siblings = [str(near) for near in folder.parent.glob("*/") if near.is_dir()]
    raise ConfigError(
        f"model = {model!r}: there is no such folder, and names on the hub look like "
        f"Qwen/Qwen2.5-7B-Instruct.{suggest(model, siblings)}"
    )


def _describe_files(folder: Path) -> str:
    if any(folder.glob("*.bin")):
        return "The weights there are pickles (.bin), which can run code: convert them first."
    held = sorted(file.name for file in folder.iterdir())[:10]
    return f"It holds: {', '.join(held)}." if held else "It is empty."


class TransformersBackend(Backend):
    """Answers with a model in this process; it is loaded with the first prompt.

    Temperature 0 is greedy. Above it each answer is drawn with a seed made of `seed`, the draw and
    the prompt's id, so that neither order nor neighbours in a batch change it.

    The fingerprint covers all of `ChatConfig`, the dtype, the versions of transformers and torch,
    what `model_digest` says of the model, and whether prompts are batched: padded arithmetic rounds
    otherwise, which can turn a close call between two tokens. How many are batched is left out,
    for that is changed half-way when memory runs short, and so is the device: both round alike.

    Raises:
        ConfigError: as `model_digest`.
    """

    needs_canary = True
    discovered = NOTHING_DISCOVERED

    def __init__(self, config: TransformersConfig) -> None:
        self._thread = ModelThread(lambda: _load_chat_model(config), config.batch_size)
        self.concurrency = 2 * config.batch_size  # one batch is gathered while one is answered
        asked = {name: getattr(config, name) for name in ChatConfig.__struct_fields__}
        self.fingerprint = fingerprint(
            "transformers",
            asked | {"model": model_digest(config.model)},
            config.dtype,
            config.batch_size > 1,
            {name: version(name).partition("+")[0] for name in ("transformers", "torch")},
        )

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        """Answer one prompt.

        Refused: "no audio" (nor text), "too long", "too short", "out of memory", or the reason of
        the `AudioError`.

        Raises:
            ConfigError: the model cannot be loaded, or takes no audio and is given some.
        """
        return await self._thread.ask(prompt)

    async def aclose(self) -> None:
        """Stop writing and let go of the model; prompts that wait are cancelled."""
        await self._thread.aclose()


def _load_chat_model(config: TransformersConfig) -> ChatModel:
    from earmark.annotate.backends.transformers.generate import ChatModel

    return ChatModel(config)
