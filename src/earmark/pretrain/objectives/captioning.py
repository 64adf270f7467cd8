"""Captioning: a decoder writes the clip's text from its frames (PAPER section 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.base import Loss, Meter, Objective
from earmark.pretrain.objectives.config import CaptioningConfig
from earmark.pretrain.objectives.decoder import (
    TokenScores,
    decode_texts,
    decoder_batch,
    iter_logits,
    parallel_states,
    query_count,
    score_tokens,
    token_losses,
)
from earmark.pretrain.objectives.targets import example_texts
from earmark.pretrain.seeds import derive_seed, seeded_rng
from earmark.pretrain.text.config import TokenizerSpec
from earmark.pretrain.text.models import build_text_decoder
from earmark.pretrain.text.tokenizer import Tokenizer, Tokens
from earmark.records import Example


@dataclass(frozen=True)
class CaptioningTargets:
    """A text for each clip, and which of them are decoded in parallel."""

    texts: Tokens
    parallel: Bool[Tensor, " batch"]


class CaptioningObjective(Objective[CaptioningTargets]):
    """A decoder writes the clip's text: of some clips word by word, of the others all at once.

    The loss is the mean over tokens, whichever way they were decoded; `objectives.decoding` says
    what is asked and what differs between ways of asking in parallel.

    Args:
        config: which text, what share of the clips is decoded in parallel, and the decoder.
        dim: width of the encoder's frames.
        words: the pieces that texts are written in.
        pretrained: whether the decoder that `config` names brings its weights.

    Raises:
        ConfigError: the decoder that `config` names cannot be had.
    """

    selects = "loss"

    def __init__(
        self, config: CaptioningConfig, dim: int, words: TokenizerSpec, *, pretrained: bool
    ) -> None:
        super().__init__()
        self.config = config
        self.words = words
        self.decoder = build_text_decoder(config.model, words, dim, pretrained=pretrained)
        self.pieces = Tokenizer(words, config.model.max_tokens)

    def targets(self, examples: Sequence[Example], seeds: Sequence[int]) -> CaptioningTargets:
        """Return texts; which of several a clip has, and how it is decoded, follow from its seed.

        Raises:
            ValueError: a clip has no such text.
        """
        chosen = [self._drawn(example, seed) for example, seed in zip(examples, seeds, strict=True)]
        draws = [seeded_rng(seed, "parallel").random() < self.config.parallel for seed in seeds]
        return CaptioningTargets(self.pieces.encode(chosen), torch.tensor(draws, dtype=torch.bool))

    def _drawn(self, example: Example, seed: int) -> str:
        found = example_texts(example, self.config.text)
        if not found:
            raise ValueError(
                f"Clip {example.id} ({example.path}) has no {self.config.text} text; leave out "
                "what earmark.pretrain.objectives.targets.missing_target finds lacking."
            )
        return found[derive_seed(seed, "text") % len(found)]

    def forward(self, encoded: Encoded, targets: CaptioningTargets) -> Loss:
        """Return the mean of -log p over tokens, smoothed, in nats.

        The parts "ar" and "par" are the means over tokens of either way, of those ways that were
        drawn.
        """
        asked = decoder_batch(targets.texts, targets.parallel, self.pieces, self.config.queries)
        # Counted here, on the CPU, so that nothing waits for a device.
        at_once = int(asked.parallel.sum())
        tokens = {"ar": len(asked.parallel) - at_once, "par": at_once}
        asked = asked.to(encoded.frames.device)
        losses = token_losses(self.decoder, encoded, asked, self.config.label_smoothing)
        nats = {
            "ar": losses.detach().masked_fill(asked.parallel, 0.0).sum(),
            "par": losses.detach().masked_fill(~asked.parallel, 0.0).sum(),
        }
        drawn = {way: count for way, count in tokens.items() if count}
        parts = {way: nats[way] / count for way, count in drawn.items()}
        return Loss(losses.mean(), len(losses), parts, drawn)

    def meter(self) -> Meter[CaptioningTargets]:
        """Return a meter of every text, decoded each way that is trained, whatever was drawn.

        "loss/ar" and "loss/par" are means of -log p over tokens in nats, without label smoothing;
        with them "accuracy/ar" and "accuracy/par", the share of tokens that were the likeliest
        (word by word: after the true words), and "perplexity/ar" and "perplexity/par". "loss" is
        the mean of both, weighted as in training.
        """
        return CaptioningMeter(self)

    @torch.no_grad()
    def write(self, encoded: Encoded, *, max_tokens: int | None = None) -> list[str]:
        """Return a text for each clip, word by word, the likeliest word each time.

        Args:
            encoded: frames of the encoder.
            max_tokens: longest text, in pieces; at most and by default the setting's.

        Raises:
            ValueError: `max_tokens` is below one.
        """
        most = self.config.model.max_tokens - 1
        if max_tokens is not None and max_tokens < 1:
            raise ValueError(f"max_tokens = {max_tokens}, but a text has at least one")
        ids = self.decoder.write(
            encoded,
            start_id=self.pieces.start_id,
            end_id=self.pieces.end_id,
            max_tokens=most if max_tokens is None else min(max_tokens, most),
        )
        return decode_texts(ids, self.pieces)

    @torch.no_grad()
    def write_at_once(self, encoded: Encoded) -> list[str]:
        """Return a text for each clip from one pass of the decoder, each word by itself."""
        count = query_count(self.config.queries, self.words, self.config.model.max_tokens)
        hidden = parallel_states(self.decoder, encoded, self.pieces, count)
        batches = iter_logits(self.decoder, hidden)
        return decode_texts(torch.cat([scores.argmax(dim=-1) for scores in batches]), self.pieces)


class CaptioningMeter(Meter[CaptioningTargets]):
    """What `CaptioningObjective.meter` promises."""

    def __init__(self, objective: CaptioningObjective) -> None:
        self._objective = objective
        share = objective.config.parallel
        self._weights = {way: w for way, w in {"ar": 1.0 - share, "par": share}.items() if w > 0}
        self._tallies = dict.fromkeys(self._weights, TokenScores())

    def add(self, encoded: Encoded, targets: CaptioningTargets) -> None:
        """Take in a batch."""
        objective = self._objective
        for way in self._tallies:
            at_once = torch.full_like(targets.parallel, way == "par")
            asked = decoder_batch(
                targets.texts, at_once, objective.pieces, objective.config.queries
            )
            asked = asked.to(encoded.frames.device)
            self._tallies[way] += score_tokens(objective.decoder, encoded, asked)

    def result(self) -> dict[str, float]:
        """Return the scores over all batches."""
        scores = {
            "loss": sum(self._weights[way] * count.loss for way, count in self._tallies.items())
        }
        for way, count in self._tallies.items():
            scores[f"loss/{way}"] = count.loss
            scores[f"accuracy/{way}"] = count.accuracy
            scores[f"perplexity/{way}"] = count.perplexity
        return scores
