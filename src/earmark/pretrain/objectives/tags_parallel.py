"""Tags as a text, "dog, rain, speech", decoded in parallel from audio (PAPER section 2, PAR)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.base import Loss, Meter, Objective
from earmark.pretrain.objectives.config import TagsParallelConfig
from earmark.pretrain.objectives.decoder import (
    DecoderBatch,
    TokenScores,
    decode_texts,
    decoder_batch,
    iter_logits,
    parallel_states,
    query_count,
    score_tokens,
    token_losses,
)
from earmark.pretrain.objectives.metrics import MeanAveragePrecision
from earmark.pretrain.objectives.targets import ClassSpec, class_names
from earmark.pretrain.text.config import TokenizerSpec
from earmark.pretrain.text.models import build_text_decoder
from earmark.pretrain.text.tag_list import SEPARATOR, ParsedTags, TagProbabilities, parse_tag_list
from earmark.pretrain.text.tokenizer import Tokenizer, Tokens
from earmark.records import Example


@dataclass(frozen=True)
class TagTextTargets:
    """Each clip's tags as a text, and which classes those are.

    `unseen` counts what its clips carry beside: values of a label field that no clip of the train
    split has, and that are not written.
    """

    texts: Tokens
    hot: Bool[Tensor, "batch tags"]
    unseen: int


class TagsParallelObjective(Objective[TagTextTargets]):
    """Every word of a clip's list of tags, from the audio alone and without the other words.

    Tags stand in the order of class ids: a set has many orders, but places that know nothing of
    each other can only agree on a fixed one. Of a vocabulary that is its rank, so that frequent
    tags come first, where a place is surest to be theirs; of a label field the alphabet.

    `objectives.decoding` says what is asked of the decoder, and what `config.queries` changes.

    Args:
        config: where the classes come from, the decoder, and how it is asked.
        dim: width of the encoder's frames.
        words: the pieces that tags are written in.
        classes: the tags.
        pretrained: whether the decoder that `config` names brings its weights.

    Raises:
        ConfigError: the decoder that `config` names cannot be had.
    """

    selects = "loss"

    def __init__(
        self,
        config: TagsParallelConfig,
        dim: int,
        words: TokenizerSpec,
        classes: ClassSpec,
        *,
        pretrained: bool,
    ) -> None:
        super().__init__()
        self.config = config
        self.words = words
        self.classes = classes
        self.decoder = build_text_decoder(config.model, words, dim, pretrained=pretrained)
        self.pieces = Tokenizer(words, config.model.max_tokens)
        self._ids = {name: place for place, name in enumerate(classes.names)}
        self._chances = TagProbabilities(classes.names, self.pieces)

    def targets(self, examples: Sequence[Example], seeds: Sequence[int]) -> TagTextTargets:
        """Return each clip's tags, written out in the order of class ids. Nothing is drawn."""
        hot = torch.zeros(len(examples), len(self.classes.names), dtype=torch.bool)
        written, unseen = list[str](), 0
        for row, example in zip(hot, examples, strict=True):
            names = set(class_names(example, self.config.label))
            known = sorted(self._ids[name] for name in names if name in self._ids)
            row[known] = True
            unseen += len(names) - len(known)
            written.append(SEPARATOR.join(self.classes.names[place] for place in known))
        return TagTextTargets(self.pieces.encode(written), hot, unseen)

    def forward(self, encoded: Encoded, targets: TagTextTargets) -> Loss:
        """Return the mean of -log p over tokens, smoothed, in nats."""
        asked = self.decoder_batch(targets, encoded.frames.device)
        losses = token_losses(self.decoder, encoded, asked, self.config.label_smoothing)
        loss = losses.mean()
        return Loss(loss, len(losses), {"tags_parallel": loss.detach()})

    def decoder_batch(self, targets: TagTextTargets, device: torch.device) -> DecoderBatch:
        """Return what the decoder reads and should answer."""
        at_once = torch.ones(len(targets.texts.ids), dtype=torch.bool)
        return decoder_batch(targets.texts, at_once, self.pieces, self.config.queries).to(device)

    def meter(self) -> Meter[TagTextTargets]:
        """Return a meter of the answers, and of the tags that come back.

        "loss" is the mean of -log p over tokens in nats, without label smoothing, "accuracy" the
        share of tokens that were the likeliest. Of the tags that come back when nothing is known
        of a clip's text, its length neither (`answers`): "map", mean average precision by
        `probabilities`; "f1", micro-averaged over the tags that are read from the likeliest
        words; "unknown", the share of what is read that is no tag, and is left out.
        """
        return TagsParallelMeter(self)

    @torch.no_grad()
    def answers(self, encoded: Encoded) -> tuple[Float32[Tensor, "batch tags"], list[ParsedTags]]:
        """Return the probability of each tag, and the tags that the likeliest words list."""
        count = query_count(self.config.queries, self.words, self.config.model.max_tokens)
        hidden = parallel_states(self.decoder, encoded, self.pieces, count)
        chances, lists = list[Tensor](), list[ParsedTags]()
        for scores in iter_logits(self.decoder, hidden):
            chances.append(self._chances(scores))
            spoken = decode_texts(scores.argmax(dim=-1), self.pieces)
            lists.extend(parse_tag_list(text, self.classes.names) for text in spoken)
        return torch.cat(chances), lists

    def probabilities(self, encoded: Encoded) -> Float32[Tensor, "batch tags"]:
        """Return how likely each tag stands in the clip's list (`text.names.NameChances`)."""
        return self.answers(encoded)[0]

    def predict(self, encoded: Encoded, top: int) -> list[list[tuple[str, float]]]:
        """Return each clip's `top` likeliest tags with their probabilities, likeliest first."""
        chances = self.probabilities(encoded).cpu()
        # Stable, so that equal probabilities go by rank in the vocabulary.
        order = chances.argsort(dim=1, descending=True, stable=True)[:, :top]
        return [
            [(self.classes.names[place], float(row[place])) for place in places.tolist()]
            for row, places in zip(chances, order, strict=True)
        ]


class TagsParallelMeter(Meter[TagTextTargets]):
    """What `TagsParallelObjective.meter` promises."""

    def __init__(self, objective: TagsParallelObjective) -> None:
        self._objective = objective
        self._tally = TokenScores()
        self._precision = MeanAveragePrecision()
        self._right = self._listed = self._true = self._unknown = self._unseen = 0

    def add(self, encoded: Encoded, targets: TagTextTargets) -> None:
        """Take in a batch; probabilities are kept, 5 bytes a clip and tag."""
        asked = self._objective.decoder_batch(targets, encoded.frames.device)
        self._tally += score_tokens(self._objective.decoder, encoded, asked)
        chances, lists = self._objective.answers(encoded)
        self._precision.add(chances.cpu().numpy(), targets.hot.numpy())
        names = self._objective.classes.names
        for row, told in zip(targets.hot, lists, strict=True):
            truth = {names[place] for place in row.nonzero()[:, 0].tolist()}
            self._right += len(truth.intersection(told.names))
            self._listed += len(told.names)
            self._true += len(truth)
            self._unknown += told.unknown
        self._unseen += targets.unseen

    def result(self) -> dict[str, float]:
        """Return the scores over all batches."""
        told = self._listed + self._unknown
        scores = {
            "loss": self._tally.loss,
            "accuracy": self._tally.accuracy,
            "map": self._precision.result(),
            "f1": _ratio(2 * self._right, self._listed + self._true),
            "unknown": _ratio(self._unknown, told),
        }
        if self._objective.config.label:
            scores["labels_unseen"] = float(self._unseen)
        return scores


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
