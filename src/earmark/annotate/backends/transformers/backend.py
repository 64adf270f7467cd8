"""The backend: a fingerprint of the model and its settings, and the thread that runs it."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from earmark.annotate.backends.base import NOTHING, Backend, Completion, Prompt, Refusal
from earmark.annotate.backends.chat import ChatConfig
from earmark.annotate.backends.transformers.config import TransformersConfig
from earmark.annotate.backends.transformers.identity import identity
from earmark.annotate.backends.transformers.model_thread import ModelThread
from earmark.config import fingerprint

if TYPE_CHECKING:
    from earmark.annotate.backends.transformers.generate import ChatModel


class TransformersBackend(Backend):
    """Answers with a model in this process; it is loaded with the first prompt.

    Temperature 0 is greedy. Above it each answer is drawn with a seed made of `seed`, the draw and
    the prompt's id, so that neither order nor neighbours in a batch change it.

    The fingerprint covers all of `ChatConfig`, the dtype, the versions of transformers and torch,
    what `identity` says of the model, and whether prompts are batched: padded arithmetic rounds
    otherwise, which can turn a close call between two tokens. How many are batched is left out,
    for that is changed half-way when memory runs short, and so is the device: both round alike.

    Raises:
        ConfigError: as `identity`.
    """

    needs_canary = True
    found = NOTHING

    def __init__(self, config: TransformersConfig) -> None:
        self._thread = ModelThread(lambda: _load(config), config.batch_size)
        self.concurrency = 2 * config.batch_size  # one batch is gathered while one is answered
        asked = {name: getattr(config, name) for name in ChatConfig.__struct_fields__}
        self.fingerprint = fingerprint(
            "transformers",
            asked | {"model": identity(config.model)},
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


def _load(config: TransformersConfig) -> ChatModel:
    from earmark.annotate.backends.transformers.generate import (
        ChatModel,  # torch and transformers: seconds, so not before they are needed
    )

    return ChatModel(config)
