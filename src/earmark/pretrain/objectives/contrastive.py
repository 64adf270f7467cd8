"""Contrastive: a clip lies beside its text, and apart from the texts of other clips (PAPER section
2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32, Int64
from torch import Tensor, nn
from torch.nn import functional

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.all_gather import all_gather_rows, exchange_row_counts
from earmark.pretrain.objectives.base import Loss, Meter, Objective
from earmark.pretrain.objectives.config import ContrastiveConfig
from earmark.pretrain.objectives.contrastive_losses import EmbeddingPairs, InfoNce, PairLoss, SigLip
from earmark.pretrain.objectives.metrics import recall_at_k
from earmark.pretrain.objectives.targets import example_texts
from earmark.pretrain.seeds import derive_seed
from earmark.pretrain.text.config import TokenizerSpec
from earmark.pretrain.text.models import build_text_encoder
from earmark.pretrain.text.tokenizer import Tokenizer, Tokens
from earmark.records import Example

RECALL_DEPTHS = (1, 5, 10)
"""Ranks that recall is measured at."""
TEXTS_PER_BATCH = 64
"""Texts that `embed_text` reads at a time."""
PAIRS_PER_BLOCK = 512
"""Pairs whose loss over a validation set is worked out at a time."""


@dataclass(frozen=True)
class ContrastiveTargets:
    """One text a clip; `keys` are equal where texts are, as far as the text encoder reads them."""

    tokens: Tokens
    keys: Int64[Tensor, " batch"]


class ContrastiveObjective(Objective[ContrastiveTargets]):
    """Two towers: an MLP on each frame and the mean over frames; a BERT's first token and an MLP.

    Both end in unit vectors of one space. Over several processes each clip is held against the
    texts of all, with gradients.

    Args:
        config: which text, which model, which loss.
        dim: width of the encoder's frames.
        words: the text encoder's word pieces.
        pretrained: whether a text encoder that is named brings its weights.
    """

    selects = "recall_at_10"

    def __init__(
        self, config: ContrastiveConfig, dim: int, words: TokenizerSpec, *, pretrained: bool = True
    ) -> None:
        super().__init__()
        self.config = config
        self._tokenizer = Tokenizer(words, config.model.max_tokens)
        self.text_encoder = build_text_encoder(config.model, words, pretrained=pretrained)
        self.audio_projection = projection_mlp(dim, config.dim)
        self.text_projection = projection_mlp(self.text_encoder.dim, config.dim)
        self.loss: PairLoss = (
            SigLip(config.temperature)
            if config.loss == "siglip"
            else InfoNce(config.temperature, learnt=config.learn_temperature)
        )

    def targets(self, examples: Sequence[Example], seeds: Sequence[int]) -> ContrastiveTargets:
        """Return one text a clip, drawn by its seed where it has several.

        Raises:
            ValueError: a clip has none.
        """
        chosen = [self._drawn(example, seed) for example, seed in zip(examples, seeds, strict=True)]
        tokens = self._tokenizer.encode(chosen)
        rows = [row[real].tolist() for row, real in zip(tokens.ids, tokens.mask, strict=True)]
        return ContrastiveTargets(tokens, torch.tensor([derive_seed(*row) for row in rows]))

    def _drawn(self, example: Example, seed: int) -> str:
        found = example_texts(example, self.config.text)
        if not found:
            raise ValueError(
                f"Clip {example.id} ({example.path}) has no {self.config.text} text; leave out "
                "the clips that earmark.pretrain.objectives.targets.missing_target tells of."
            )
        return found[derive_seed(seed, "text") % len(found)]

    def forward(self, encoded: Encoded, targets: ContrastiveTargets) -> Loss:
        """Return the mean loss of this process's clips, each held against all, in nats a clip."""
        own = self.pairs(encoded, targets)
        clips = exchange_row_counts(len(own.keys), own.audio.device)
        everyone = EmbeddingPairs(
            *(all_gather_rows(part, clips) for part in (own.audio, own.text, own.keys))
        )
        loss = self.loss(everyone, clips.first, len(own.keys))
        return Loss(loss, len(own.keys), {"contrastive": loss.detach()})

    def meter(self) -> Meter[ContrastiveTargets]:
        """Return a meter that holds every clip of the validation set against all others.

        "loss" is that of the whole set as one batch, however it is batched: larger than in
        training, for there are more to tell apart. "audio_to_text_recall_at_K" and
        "text_to_audio_recall_at_K" are shares of the clips, and of the different texts, which find
        their own among the first K of 1, 5 and 10; "recall_at_K" is the mean of both.
        """
        return ContrastiveMeter(self)

    def pairs(self, encoded: Encoded, targets: ContrastiveTargets) -> EmbeddingPairs:
        """Return the unit vectors of clips and of their texts."""
        device = encoded.frames.device
        text = self._embed_tokens(targets.tokens.to(device))
        keys = targets.keys.to(device, non_blocking=True)
        return EmbeddingPairs(self.embed_audio(encoded), text, keys)

    def embed_audio(self, encoded: Encoded) -> Float32[Tensor, "batch space"]:
        """Return one unit vector a clip; its dot product with a text's says how alike they are."""
        projected = Encoded(self.audio_projection(encoded.frames), encoded.mask)
        return functional.normalize(projected.pooled(), dim=-1)

    @torch.no_grad()
    def embed_text(self, texts: Sequence[str]) -> Float32[Tensor, "texts space"]:
        """Return one unit vector a text, on the CPU; dropout is off.

        Beyond config.model.max_tokens a text is cut.
        """
        was_training = self.training
        device = next(self.parameters()).device
        vectors = [torch.zeros(0, self.config.dim)]
        self.eval()
        try:
            for first in range(0, len(texts), TEXTS_PER_BATCH):
                tokens = self._tokenizer.encode(texts[first : first + TEXTS_PER_BATCH])
                vectors.append(self._embed_tokens(tokens.to(device)).cpu())
        finally:
            self.train(was_training)
        return torch.cat(vectors)

    def _embed_tokens(self, tokens: Tokens) -> Float32[Tensor, "batch space"]:
        hidden: Float[Tensor, "batch tokens dim"] = self.text_encoder(tokens)
        return functional.normalize(self.text_projection(hidden[:, 0]).float(), dim=-1)


class ContrastiveMeter(Meter[ContrastiveTargets]):
    """What `ContrastiveObjective.meter` promises; two vectors a clip are kept."""

    def __init__(self, objective: ContrastiveObjective) -> None:
        self._objective = objective
        self._pairs = list[EmbeddingPairs]()

    def add(self, encoded: Encoded, targets: ContrastiveTargets) -> None:
        """Take in a batch."""
        self._pairs.append(self._objective.pairs(encoded, targets))

    def result(self) -> dict[str, float]:
        """Return the scores over all batches."""
        if not self._pairs:
            return {"loss": float("nan"), self._objective.selects: float("nan")}
        pairs = EmbeddingPairs(
            torch.cat([batch.audio for batch in self._pairs]),
            torch.cat([batch.text for batch in self._pairs]),
            torch.cat([batch.keys for batch in self._pairs]),
        )
        return {"loss": self._loss(pairs)} | recall_at_k(pairs, RECALL_DEPTHS)

    def _loss(self, pairs: EmbeddingPairs) -> float:
        total = 0.0
        for first in range(0, len(pairs.keys), PAIRS_PER_BLOCK):
            count = min(PAIRS_PER_BLOCK, len(pairs.keys) - first)
            total += float(self._objective.loss(pairs, first, count)) * count
        return total / len(pairs.keys)


def projection_mlp(dim: int, out: int) -> nn.Sequential:
    """Return a map of vectors into the shared space: two layers, with a GELU between them."""
    return nn.Sequential(nn.Linear(dim, out), nn.GELU(), nn.Linear(out, out))
