"""The inputs, targets and losses of a text decoder, shared by captions and tags.

A text "<s> w1 ... wn </s>" has n + 1 target tokens: w1, ..., wn, </s>.

Autoregressive: the decoder reads "<s> w1 ... wn", and each position sees those before it. Parallel
(PAPER section 2, PAR): it reads nothing but mask tokens, and each position sees all others: L =
-sum_t log p(y_t | audio). The number of mask tokens is all that it knows of the text:

"target"  n + 1, as many as there are targets, which gives the text's length away: the decoder need
          not hear it, and the last position is always </s>. Cheap; but to write a text from the
          audio alone, a length must be assumed (`query_count`).
"fixed"   max_tokens - 1, the longest text there is, whatever the text. Nothing is given away; the
          decoder must hear where the text ends. Positions behind </s> have no loss, so that the
          loss is a mean over the same tokens as with "target", and a position learns
          p(y_t | audio, the text has not ended before t). The decoder's blocks cost
          (max_tokens - 1) / (n + 1) times as much, the token scores the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Float32, Int64
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.text.config import TokenizerSpec
from earmark.pretrain.text.models import TextDecoder
from earmark.pretrain.text.tokenizer import Tokenizer, Tokens

QueryMode = Literal["target", "fixed"]

POSITIONS_PER_BLOCK = 2048
"""Places whose scores of all words (50,000 are 0.4 GB) are held at a time, in training too."""


@dataclass(frozen=True)
class DecoderBatch:
    """What a decoder reads, and what it should answer where.

    `causal` is True for clips that are decoded word by word. `places` count through the flattened
    `inputs`; `answers` are the pieces expected there, and `parallel` tells those of parallel clips.
    """

    inputs: Tokens
    causal: Bool[Tensor, " batch"]
    places: Int64[Tensor, " asked"]
    answers: Int64[Tensor, " asked"]
    parallel: Bool[Tensor, " asked"]

    def to(self, device: torch.device) -> DecoderBatch:
        """Return the same on another device."""
        rest = (self.causal, self.places, self.answers, self.parallel)
        return DecoderBatch(
            self.inputs.to(device), *(tensor.to(device, non_blocking=True) for tensor in rest)
        )


def decoder_batch(
    texts: Tokens, parallel: Bool[Tensor, " batch"], pieces: Tokenizer, queries: QueryMode
) -> DecoderBatch:
    """Return what texts ask of a decoder; `parallel` says which clips are decoded at once.

    Cheap on the CPU, where the number of answers is known without waiting for a device.
    """
    expected, counted = texts.ids[:, 1:], texts.mask[:, 1:]
    read = texts.ids[:, :-1]
    if queries == "fixed":
        missing = pieces.max_tokens - 1 - expected.shape[1]
        expected, read = (
            functional.pad(ids, (0, missing), value=pieces.pad_id) for ids in (expected, read)
        )
        counted = functional.pad(counted, (0, missing), value=False)
    present = counted | parallel[:, None] if queries == "fixed" else counted
    inputs = torch.where(parallel[:, None], pieces.mask_id, read)
    places = counted.flatten().nonzero()[:, 0]
    return DecoderBatch(
        Tokens(inputs, present),
        ~parallel,
        places,
        expected.flatten()[places],
        parallel[:, None].expand_as(counted).flatten()[places],
    )


def token_losses(
    decoder: TextDecoder, encoded: Encoded, asked: DecoderBatch, smoothing: float
) -> Float32[Tensor, " asked"]:
    """Return -log p of each answer, nats, with label smoothing.

    Szegedy et al. 2016 (arXiv 1512.00567, section 7): (1 - s) * -log p(answer) plus s times the
    mean of -log p over all pieces.
    """
    hidden = _target_states(decoder, encoded, asked)

    def losses(states: Tensor, answers: Tensor) -> Tensor:
        logits = decoder.logits(states).float()
        return functional.cross_entropy(
            logits, answers, label_smoothing=smoothing, reduction="none"
        )

    # Scores of all words are made again in the backward pass, a few places at a time.
    return torch.cat(
        [
            checkpoint(losses, states, answers, use_reentrant=False, preserve_rng_state=False)
            for states, answers in zip(
                hidden.split(POSITIONS_PER_BLOCK),
                asked.answers.split(POSITIONS_PER_BLOCK),
                strict=True,
            )
        ]
    )


@dataclass(frozen=True)
class TokenScores:
    """How well so many answers were given; `nats` is the sum of -log p, without smoothing."""

    answers: int = 0
    nats: float = 0.0
    right: int = 0

    def __add__(self, other: TokenScores) -> TokenScores:
        return TokenScores(
            self.answers + other.answers, self.nats + other.nats, self.right + other.right
        )

    @property
    def loss(self) -> float:
        """Mean of -log p over answers, nats; NaN where there are none."""
        return self.nats / self.answers if self.answers else float("nan")

    @property
    def accuracy(self) -> float:
        """Share of the answers that were the likeliest piece; NaN where there are none."""
        return self.right / self.answers if self.answers else float("nan")

    @property
    def perplexity(self) -> float:
        """Between how many equally likely pieces a decoder wavers, on the geometric mean."""
        return math.exp(min(self.loss, 700.0))  # more is beyond what a float holds


def score_tokens(decoder: TextDecoder, encoded: Encoded, asked: DecoderBatch) -> TokenScores:
    """Return how well a decoder answers; takes no gradient."""
    hidden = _target_states(decoder, encoded, asked)
    total = TokenScores()
    for states, answers in zip(
        hidden.split(POSITIONS_PER_BLOCK), asked.answers.split(POSITIONS_PER_BLOCK), strict=True
    ):
        logits = decoder.logits(states).float()
        nats = functional.cross_entropy(logits, answers, reduction="sum")
        right = (logits.argmax(dim=-1) == answers).sum()
        total += TokenScores(len(answers), float(nats), int(right))
    return total


def query_count(queries: QueryMode, words: TokenizerSpec, max_tokens: int) -> int:
    """Return how many mask pieces a text is written from when its length is not known.

    The mean answer of the train split for a decoder that was always given the length.
    """
    longest = max_tokens - 1
    if queries == "fixed":
        return longest
    facts = words.facts
    mean = (facts.tokens - facts.tokens_cut) / max(facts.texts, 1) - 1
    return min(max(round(mean), 1), longest)


def parallel_states(
    decoder: TextDecoder, encoded: Encoded, pieces: Tokenizer, count: int
) -> Float[Tensor, "batch count dim"]:
    """Return hidden states at each of `count` places, from mask pieces alone."""
    shape = (len(encoded.frames), count)
    ids = torch.full(shape, pieces.mask_id, device=encoded.frames.device)
    inputs = Tokens(ids, torch.ones_like(ids, dtype=torch.bool))
    return decoder(inputs, encoded, torch.zeros(len(ids), dtype=torch.bool, device=ids.device))


def iter_logits(
    decoder: TextDecoder, hidden: Float[Tensor, "batch places dim"]
) -> Iterator[Float32[Tensor, "some places words"]]:
    """Give the scores of all pieces, of so many clips at a time as memory is fit for."""
    clips = max(1, POSITIONS_PER_BLOCK // hidden.shape[1])
    for states in hidden.split(clips):
        yield decoder.logits(states).float()


def decode_texts(ids: Int64[Tensor, "batch places"], pieces: Tokenizer) -> list[str]:
    """Return what rows of pieces say, each up to its first end."""
    rows: Sequence[Sequence[int]] = ids.tolist()
    return [pieces.decode(row) for row in rows]


def _target_states(
    decoder: TextDecoder, encoded: Encoded, asked: DecoderBatch
) -> Float[Tensor, "asked dim"]:
    """Return hidden states where something is asked: the others need no scores of words."""
    hidden = decoder(asked.inputs, encoded, asked.causal)
    return hidden.flatten(0, 1).index_select(0, asked.places)
