"""A frozen causal language model of `transformers`, and the prompt around the audio."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from earmark.config import ConfigError
from earmark.pretrain.device import pick_device
from earmark.pretrain.huggingface import load_failure_reason, silence_transformers

AUDIO_PLACEHOLDER = "<|audio here|>"
"""Where the audio's tokens go in a prompt; the prompt is cut here before it becomes tokens."""

MISSING_TRANSFORMERS = (
    "evaluate.questions: a model needs transformers: pip install 'earmark[transformers]', or leave "
    "`model` out to ask without a language model."
)


@dataclass(frozen=True)
class LanguageModel:
    """A language model that is never trained.

    `chats` tells that its tokenizer has a chat template; the audio is then the first part of the
    user's turn, and the answer is the whole turn of the assistant. Without one, the prompt is
    "<audio>\\nQuestion: ...\\nAnswer:".
    """

    model: Any
    tokenizer: Any

    @property
    def chats(self) -> bool:
        """Whether the tokenizer has a chat template."""
        return bool(self.tokenizer.chat_template)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return torch.device(self.model.device)

    @property
    def end(self) -> int | None:
        """The token that ends an answer, None where the tokenizer has none."""
        return self.tokenizer.eos_token_id

    @cached_property
    def token_scale(self) -> float:
        """The standard deviation of word embeddings, read from about 4096 of them."""
        weight = self.model.get_input_embeddings().weight
        return float(weight[:: max(len(weight) // 4096, 1)].float().std())

    @property
    def width(self) -> int:
        """Of a word embedding."""
        return int(self.model.get_input_embeddings().weight.shape[1])

    def embed(self, tokens: list[int]) -> Float[Tensor, "tokens width"]:
        """Return the word embeddings of tokens."""
        return self.model.get_input_embeddings()(torch.tensor(tokens, device=self.device).long())

    def prompt(self, question: str) -> tuple[list[int], list[int]]:
        """Return the tokens before the audio, and those after it, up to where the answer starts.

        Raises:
            ConfigError: the chat template does not pass the user's words on.
        """
        if not self.chats:
            first = self.tokenizer.bos_token_id
            return [] if first is None else [first], self._tokens(
                f"\nQuestion: {question}\nAnswer:"
            )
        turn = {
            "role": "user",
            "content": f"{AUDIO_PLACEHOLDER}\n{question} Answer in a few words.",
        }
        text: str = self.tokenizer.apply_chat_template(
            [turn], tokenize=False, add_generation_prompt=True, enable_thinking=False
        )
        before, found, after = text.partition(AUDIO_PLACEHOLDER)
        if not found:
            raise ConfigError(
                f"evaluate.questions: the chat template of {self.tokenizer.name_or_path!r} changes "
                "what the user says. Give a model whose template passes it on."
            )
        return self._tokens(before), self._tokens(after)

    def answer(self, text: str) -> list[int]:
        """Return the tokens of an answer, its end included."""
        tokens = self._tokens(text if self.chats else f" {text}")
        return tokens if self.end is None else [*tokens, self.end]

    def words(self, tokens: list[int]) -> str:
        """Return the text of an answer's tokens."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=True)).strip()

    def _tokens(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)


class LazyLanguageModel:
    """A language model that is loaded when it is first needed, and then kept.

    Args:
        model: of the hub by name, or a folder that save_pretrained wrote.
        device: as `evaluate.device`.

    Raises:
        ConfigError: `transformers` is missing, or the model's config.json cannot be had.
    """

    def __init__(self, model: str, device: str) -> None:
        self.model = model
        self.device = device
        check_language_model(model)

    @cached_property
    def loaded(self) -> LanguageModel:
        """The model. Raises ConfigError as `load_language_model`."""
        return load_language_model(self.model, self.device)


def check_language_model(model: str) -> None:
    """Raise a ConfigError unless `model` has a config.json, without reading weights."""
    try:
        from transformers import AutoConfig
    except ImportError:
        raise ConfigError(MISSING_TRANSFORMERS) from None
    try:
        with silence_transformers():
            AutoConfig.from_pretrained(model, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise _unreachable(model, error) from None


def load_language_model(model: str, device: str) -> LanguageModel:
    """Return a model with its tokenizer, frozen and in evaluation mode.

    On a CUDA device that computes bfloat16 it is held in that, elsewhere in float32.

    Raises:
        ConfigError: it cannot be had, writes no text, or lacks weights.
    """
    try:
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError:
        raise ConfigError(MISSING_TRANSFORMERS) from None
    target = pick_device(device, setting="evaluate.device")
    narrow = target.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        with silence_transformers():
            tokenizer: Any = AutoTokenizer.from_pretrained(model, trust_remote_code=False)
            pair: Any = AutoModelForCausalLM.from_pretrained(
                model,
                dtype=torch.bfloat16 if narrow else torch.float32,
                trust_remote_code=False,
                use_safetensors=True,
                output_loading_info=True,
            )
    except (OSError, ValueError) as error:
        raise _unreachable(model, error) from None
    found, report = pair
    # transformers would make up random numbers for weights that are not there.
    if absent := sorted([*report["missing_keys"], *map(str, report["mismatched_keys"])]):
        raise ConfigError(
            f"evaluate.questions: model = {model!r}: {len(absent)} weights are missing or of "
            f"another shape, the first is {absent[0]}; is the download complete?"
        )
    return LanguageModel(found.to(target).eval().requires_grad_(False), tokenizer)


def _unreachable(model: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"evaluate.questions: model = {model!r} cannot be had as a causal language model: "
        f"{load_failure_reason(error)} Where the model hub is out of reach, give a folder with its "
        "config.json, tokenizer.json and model.safetensors (hf download NAME --local-dir FOLDER, "
        "on a machine that has a line)."
    )
