"""Drawing tokens so that an answer depends on its own prompt and seed, not on its neighbours.

`generate` samples a whole batch from one stream of random numbers, so who stands beside a prompt
would change its answer. Here each prompt has a stream of its own, and drawing is the Gumbel-max
trick: adding Gumbel noise to the logits and taking the largest draws from their softmax (Maddison
et al., "A* Sampling", 2014). Decoding is then greedy for the library, at any temperature.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers.generation.logits_process import (
    LogitsProcessor,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.generation.stopping_criteria import StoppingCriteria

from earmark.annotate.backends.base import Prompt
from earmark.annotate.backends.chat import ChatConfig


def sampler(config: ChatConfig, prompts: Sequence[Prompt]) -> LogitsProcessorList:
    """Return what `generate` applies to the logits of this batch; nothing at temperature 0."""
    if config.temperature == 0:
        return LogitsProcessorList()
    warpers: list[LogitsProcessor] = [TemperatureLogitsWarper(float(config.temperature))]
    if config.top_k:
        warpers.append(TopKLogitsWarper(config.top_k))
    if config.top_p < 1:
        warpers.append(TopPLogitsWarper(config.top_p))
    return LogitsProcessorList([*warpers, GumbelNoise([seed_of(config, one) for one in prompts])])


def seed_of(config: ChatConfig, prompt: Prompt) -> int:
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


class Interrupt(StoppingCriteria):
    """Ends every answer at its next token once `event` is set."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: Tensor, scores: Tensor, **kwargs: object) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return for each row whether it is done."""
        return torch.full((len(input_ids),), self._event.is_set(), device=input_ids.device)
