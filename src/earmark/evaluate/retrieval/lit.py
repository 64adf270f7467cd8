"""A text side for a frozen encoder: locked-audio tuning.

After LiT (Zhai et al. 2022, arXiv 2111.07991): the pre-trained side is locked, and a text tower is
trained to read out of it. Here the text tower learns from some thousand captions on a CPU, from
nothing: it is a deep averaging network (Iyyer et al. 2015, "Deep Unordered Composition Rivals
Syntactic Methods for Text Classification") over words and pairs of words. The audio side is a
linear map of standardized mean-pooled features, so that the score measures the features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor, nn
from torch.nn import functional

from earmark.evaluate.small_training import (
    BestState,
    is_validation_step,
    learning_rate_scale,
    torch_seed,
)
from earmark.evaluate.text_tasks import CaptionedClips
from earmark.evaluate.words import TermVocabulary, build_term_vocabulary
from earmark.pretrain.objectives.contrastive_losses import EmbeddingPairs, InfoNce
from earmark.pretrain.seeds import derive_seed, seeded_rng

SPACE_DIM = 256
"""Width of the shared space, and of word vectors."""
BATCH_SIZE = 256
"""Pairs of a step, at most."""
DROPOUT = 0.3
WEIGHT_DECAY = 0.1
TEMPERATURE = 0.07
VALIDATION_CHECKS = 20
"""Times that validation is looked at while training."""


@dataclass(frozen=True)
class TermBags:
    """Terms of several texts in a row; text i begins at `starts[i]`."""

    terms: Int64[Tensor, " terms"]
    starts: Int64[Tensor, " texts"]


class LitModel(nn.Module):
    """Both sides of the shared space: a linear map of features, an averaging network of texts."""

    def __init__(self, dim: int, terms: TermVocabulary) -> None:
        super().__init__()
        self.terms = terms
        self.audio = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(dim, SPACE_DIM))
        self.words = nn.EmbeddingBag(len(terms.numbers) + 1, SPACE_DIM, mode="mean")
        self.text = nn.Sequential(
            nn.Dropout(DROPOUT),
            nn.Linear(SPACE_DIM, SPACE_DIM),
            nn.GELU(),
            nn.Linear(SPACE_DIM, SPACE_DIM),
        )
        self.loss = InfoNce(TEMPERATURE, learnt=False)

    def embed_audio(self, features: Float32[Tensor, "clips dim"]) -> Float32[Tensor, "clips space"]:
        """Return unit vectors of standardised features."""
        return functional.normalize(self.audio(features), dim=-1)

    def embed_texts(self, bags: TermBags) -> Float32[Tensor, "texts space"]:
        """Return unit vectors of texts."""
        return functional.normalize(self.text(self.words(bags.terms, bags.starts)), dim=-1)

    def bags(self, texts: Sequence[str]) -> TermBags:
        """Return texts as the text side reads them, on its device."""
        # A text without a known word is the one term that no text has.
        unknown = [len(self.terms.numbers)]
        rows = [self.terms.read(text) or unknown for text in texts]
        starts = np.cumsum([0, *map(len, rows)])[:-1]
        device = self.words.weight.device
        flat = [term for row in rows for term in row]
        return TermBags(torch.tensor(flat, device=device), torch.tensor(starts, device=device))


@dataclass(frozen=True)
class TrainedLit:
    """A trained side, the step it was taken from, and its loss on validation (nats a clip)."""

    side: LitModel
    step: int
    loss: float

    @torch.no_grad()
    def scores(
        self, features: Float32[np.ndarray, "clips dim"], texts: Sequence[str]
    ) -> Float32[np.ndarray, "clips texts"]:
        """Return how alike clips and texts are: cosines, -1 to 1."""
        device = self.side.words.weight.device
        audio = self.side.embed_audio(torch.tensor(features, device=device))
        return (audio @ self.side.embed_texts(self.side.bags(texts)).T).cpu().numpy()


def train_lit(
    train: tuple[Float32[np.ndarray, "train dim"], CaptionedClips],
    validation: tuple[Float32[np.ndarray, "validation dim"], CaptionedClips],
    *,
    steps: int,
    lr: float,
    seed: int,
    device: torch.device,
) -> TrainedLit:
    """Train a text side; the step with the lowest loss on validation is kept.

    Args:
        train: standardised features of clips, and their texts; in each step a clip has one of its
            texts, drawn at random.
        validation: what chooses the step; of several texts of a clip the first.
        steps: of AdamW, with a cosine from `lr` to 0 after a tenth of warming up.
        lr: the highest.
        seed: of weights, dropout, batches and texts.
        device: where to compute.
    """
    features, told = train
    best = BestState()
    with torch_seed(derive_seed(seed, "lit"), device):
        terms = build_term_vocabulary([text for texts in told.texts for text in texts])
        side = LitModel(features.shape[1], terms).to(device)
        data, held_out = torch.tensor(features, device=device), _full_batch(side, *validation)
        optimizer = torch.optim.AdamW(side.parameters(), lr=lr, weight_decay=WEIGHT_DECAY)
        for step in range(steps):
            for group in optimizer.param_groups:
                group["lr"] = lr * learning_rate_scale(step, steps)
            optimizer.zero_grad()
            _loss(side, _sample_batch(side, data, told, seeded_rng(seed, "lit", step))).backward()
            optimizer.step()
            if is_validation_step(step, steps, VALIDATION_CHECKS):
                best.offer(_validation_loss(side, held_out), step + 1, side)
    best.restore(side)
    return TrainedLit(side, best.step, best.loss)


@dataclass(frozen=True)
class LitBatch:
    """Features and texts of pairs; `keys` are equal where texts are."""

    features: Float32[Tensor, "pairs dim"]
    bags: TermBags
    keys: Int64[Tensor, " pairs"]


def _sample_batch(
    side: LitModel, data: Tensor, told: CaptionedClips, rng: np.random.Generator
) -> LitBatch:
    places = rng.permutation(len(data))[:BATCH_SIZE]
    texts = [told.texts[place][rng.integers(len(told.texts[place]))] for place in places]
    return _make_batch(side, data[torch.tensor(places, device=data.device)], texts)


def _full_batch(
    side: LitModel, features: Float32[np.ndarray, "clips dim"], told: CaptionedClips
) -> LitBatch:
    data = torch.tensor(features, device=side.words.weight.device)
    return _make_batch(side, data, [texts[0] for texts in told.texts])


def _make_batch(side: LitModel, features: Tensor, texts: Sequence[str]) -> LitBatch:
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    keys = torch.tensor([numbers[text] for text in texts], device=features.device)
    return LitBatch(features, side.bags(texts), keys)


def _loss(side: LitModel, batch: LitBatch) -> Float32[Tensor, ""]:
    audio, texts = side.embed_audio(batch.features), side.embed_texts(batch.bags)
    return side.loss(EmbeddingPairs(audio, texts, batch.keys), 0, len(batch.keys))


@torch.no_grad()
def _validation_loss(side: LitModel, batch: LitBatch) -> float:
    side.eval()
    loss = float(_loss(side, batch))
    side.train()
    return loss
