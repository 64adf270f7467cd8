"""From prompts to answers: one padded batch through `generate`, sampled with a seed for each
prompt.

`generate` samples a whole batch from one stream of random numbers, so the neighbors of a prompt
would change its answer. Here each prompt has a stream of its own, and sampling is the Gumbel-max
trick: adding Gumbel noise to the logits and taking the largest draws from their softmax (Maddison
et al., "A* Sampling", 2014). Decoding is then greedy for the library, at any temperature.
"""

from __future__ import annotations

import hashlib
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from transformers import StoppingCriteriaList
from transformers.generation.logits_process import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.generation.stopping_criteria import StoppingCriteria

from earmark.annotate.backends.base import Completion, Prompt, Refusal
from earmark.annotate.backends.chat import ChatConfig
from earmark.annotate.backends.transformers.inputs import ModelInputs, collate, prepare_prompt
from earmark.annotate.backends.transformers.load import LoadedModel, load_model
from earmark.annotate.backends.transformers.model_thread import BatchModel

if TYPE_CHECKING:
    from earmark.annotate.backends.transformers.backend import TransformersConfig


def logits_processors(config: ChatConfig, prompts: Sequence[Prompt]) -> LogitsProcessorList:
    """Return what `generate` applies to the logits of this batch; nothing at temperature 0."""
    if config.temperature == 0:
        return LogitsProcessorList()
    warpers: list[LogitsProcessor] = [TemperatureLogitsWarper(float(config.temperature))]
    if config.top_k:
        warpers.append(TopKLogitsWarper(config.top_k))
    if config.top_p < 1:
        warpers.append(TopPLogitsWarper(config.top_p))
    return LogitsProcessorList(
        [*warpers, GumbelNoise([sampling_seed(config, one) for one in prompts])]
    )


def sampling_seed(config: ChatConfig, prompt: Prompt) -> int:
    """Return the seed of one draw for one prompt: 63 bits of a hash over seed, draw and id."""
    words = f"{config.seed + prompt.draw}\0{prompt.id}".encode()
    return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "little") >> 1


class GumbelNoise(LogitsProcessor):
    """Adds standard Gumbel noise, one stream a row.

    The streams run on the CPU, so that a seed means the same draw on every device.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self._streams = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return `scores` (row, token) with noise."""
        width = scores.shape[-1]
        drawn = [torch.empty(width).exponential_(generator=stream) for stream in self._streams]
        return scores.float() - torch.stack(drawn).log().to(scores.device)


class StopOnEvent(StoppingCriteria):
    """Ends every answer at its next token once `event` is set."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: object) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return for each row whether it is done."""
        return torch.full((len(input_ids),), self._event.is_set(), device=input_ids.device)


T = TypeVar("T")

A = TypeVar("A")


class PendingPrompt(NamedTuple):
    """A prompt, its place among those that came together, and what the model takes for it."""

    place: int
    prompt: Prompt
    inputs: ModelInputs


class ChatModel(BatchModel[Prompt, Completion | Refusal]):
    """A loaded model that answers prompts.

    Raises:
        ConfigError: as `load_model`.
    """

    def __init__(self, config: TransformersConfig) -> None:
        self._config = config
        self._loaded: LoadedModel = load_model(config)
        self._stop = threading.Event()

    def answer(self, requests: Sequence[Prompt]) -> list[Completion | Refusal]:
        """Answer prompts together; those that cannot be put to the model are refused.

        Raises:
            ConfigError: the model takes no audio and is asked about some.
        """
        answers: dict[int, Completion | Refusal] = {}
        batches: defaultdict[tuple[str, int], list[PendingPrompt]] = defaultdict(list)
        for place, prompt in enumerate(requests):
            ready = prepare_prompt(prompt, self._config, self._loaded)
            if isinstance(ready, Refusal):
                answers[place] = ready
            else:
                own = place if ready.company == "none" else 0
                batches[ready.company, own].append(PendingPrompt(place, prompt, ready.inputs))
        for batch in batches.values():
            written = run_with_oom_fallback(batch, self._generate, _empty_cache)
            answers |= {one.place: answer for one, answer in zip(batch, written, strict=True)}
        return [answers[place] for place in range(len(requests))]

    def stop(self) -> None:
        """End what is being written at its next token."""
        self._stop.set()

    def _generate(self, batch: Sequence[PendingPrompt]) -> list[Completion]:
        model: Any = self._loaded.model
        inputs = collate([one.inputs for one in batch], model.generation_config.pad_token_id)
        with torch.inference_mode():
            written: Tensor = model.generate(
                **{name: _to_model(value, model) for name, value in inputs.items()},
                logits_processor=logits_processors(self._config, [one.prompt for one in batch]),
                stopping_criteria=StoppingCriteriaList([StopOnEvent(self._stop)]),
            )
        asked = inputs["attention_mask"].sum(dim=1).tolist()
        rows = written[:, inputs["input_ids"].shape[1] :].tolist()
        ends = model.generation_config.eos_token_id or []
        return [self._read(row, ends, count) for row, count in zip(rows, asked, strict=True)]

    def _read(self, row: list[int], ends: Sequence[int], tokens_in: int) -> Completion:
        """Turn one row of tokens, padded after its end token, into an answer."""
        end = next((index for index, token in enumerate(row) if token in ends), None)
        kept = row if end is None else row[: end + 1]
        return Completion(
            text=str(self._loaded.tokenizer.decode(kept, skip_special_tokens=True)),
            finish_reason="length" if end is None else "stop",
            tokens_in=tokens_in,
            tokens_out=len(kept),
        )


def run_with_oom_fallback(
    batch: Sequence[T], run: Callable[[Sequence[T]], Sequence[A]], empty_cache: Callable[[], None]
) -> list[A | Refusal]:
    """Return `run(batch)`; where memory runs out, each alone, and a refusal for what is too big.

    `empty_cache` is called after each time that memory ran out.
    """
    if not batch:
        return []
    try:
        return list(run(batch))
    except torch.OutOfMemoryError as error:
        detail = str(error)
    # Outside of `except`, whose traceback keeps the tensors alive that filled the memory.
    empty_cache()
    if len(batch) == 1:
        return [Refusal(reason="out of memory", detail=detail)]
    return [answer for one in batch for answer in run_with_oom_fallback([one], run, empty_cache)]


def _to_model(value: Tensor, model: Any) -> Tensor:
    """Move an input to the model; features take its type, tokens and masks stay whole numbers."""
    dtype = model.dtype if value.is_floating_point() else None
    return value.to(device=model.device, dtype=dtype)


def _empty_cache() -> None:
    if torch.accelerator.is_available():
        torch.accelerator.empty_cache()
