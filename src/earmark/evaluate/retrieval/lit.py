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

from earmark.evaluate.small_training import Best, is_check, rate, seeded
from earmark.evaluate.text_tasks import Told
from earmark.evaluate.words import Terms, gather_terms
from earmark.pretrain.objectives.contrastive_losses import InfoNce, Pairs
from earmark.pretrain.seeds import derived_seed, generator

SPACE = 256
"""Width of the shared space, and of word vectors."""
BATCH = 256
"""Pairs of a step, at most."""
DROPOUT = 0.3
WEIGHT_DECAY = 0.1
TEMPERATURE = 0.07
CHECKS = 20
"""Times that validation is looked at while training."""


@dataclass(frozen=True)
class Bags:
    """Terms of several texts in a row; text i begins at `starts[i]`."""

    terms: Int64[Tensor, " terms"]
    starts: Int64[Tensor, " texts"]


class TextSide(nn.Module):
    """Both sides of the shared space: a linear map of features, an averaging network of texts."""

    def __init__(self, dim: int, terms: Terms) -> None:
        super().__init__()
        self.terms = terms
        self.audio = nn.Sequential(nn.Dropout(DROPOUT), nn.Linear(dim, SPACE))
        self.words = nn.EmbeddingBag(len(terms.numbers) + 1, SPACE, mode="mean")
        self.text = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Linear(SPACE, SPACE), nn.GELU(), nn.Linear(SPACE, SPACE)
        )
        self.loss = InfoNce(TEMPERATURE, learnt=False)

    def embed_audio(self, features: Float32[Tensor, "clips dim"]) -> Float32[Tensor, "clips space"]:
        """Return unit vectors of standardised features."""
        return functional.normalize(self.audio(features), dim=-1)

    def embed_texts(self, bags: Bags) -> Float32[Tensor, "texts space"]:
        """Return unit vectors of texts."""
        return functional.normalize(self.text(self.words(bags.terms, bags.starts)), dim=-1)

    def bags(self, texts: Sequence[str]) -> Bags:
        """Return texts as the text side reads them, on its device."""
        # A text without a known word is the one term that no text has.
        unknown = [len(self.terms.numbers)]
        rows = [self.terms.read(text) or unknown for text in texts]
        starts = np.cumsum([0, *map(len, rows)])[:-1]
        device = self.words.weight.device
        flat = [term for row in rows for term in row]
        return Bags(torch.tensor(flat, device=device), torch.tensor(starts, device=device))


@dataclass(frozen=True)
class Tuned:
    """A trained side, the step it was taken from, and its loss on validation (nats a clip)."""

    side: TextSide
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


def tune(
    train: tuple[Float32[np.ndarray, "train dim"], Told],
    validation: tuple[Float32[np.ndarray, "validation dim"], Told],
    *,
    steps: int,
    lr: float,
    seed: int,
    device: torch.device,
) -> Tuned:
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
    best = Best()
    with seeded(derived_seed(seed, "lit"), device):
        terms = gather_terms([text for texts in told.texts for text in texts])
        side = TextSide(features.shape[1], terms).to(device)
        data, held_out = torch.tensor(features, device=device), _whole(side, *validation)
        optimiser = torch.optim.AdamW(side.parameters(), lr=lr, weight_decay=WEIGHT_DECAY)
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = lr * rate(step, steps)
            optimiser.zero_grad()
            _loss(side, _drawn(side, data, told, generator(seed, "lit", step))).backward()
            optimiser.step()
            if is_check(step, steps, CHECKS):
                best.offer(_measured(side, held_out), step + 1, side)
    best.restore(side)
    return Tuned(side, best.step, best.loss)


@dataclass(frozen=True)
class Batch:
    """Features and texts of pairs; `keys` are equal where texts are."""

    features: Float32[Tensor, "pairs dim"]
    bags: Bags
    keys: Int64[Tensor, " pairs"]


def _drawn(side: TextSide, data: Tensor, told: Told, rng: np.random.Generator) -> Batch:
    places = rng.permutation(len(data))[:BATCH]
    texts = [told.texts[place][rng.integers(len(told.texts[place]))] for place in places]
    return _batch(side, data[torch.tensor(places, device=data.device)], texts)


def _whole(side: TextSide, features: Float32[np.ndarray, "clips dim"], told: Told) -> Batch:
    data = torch.tensor(features, device=side.words.weight.device)
    return _batch(side, data, [texts[0] for texts in told.texts])


def _batch(side: TextSide, features: Tensor, texts: Sequence[str]) -> Batch:
    numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
    keys = torch.tensor([numbers[text] for text in texts], device=features.device)
    return Batch(features, side.bags(texts), keys)


def _loss(side: TextSide, batch: Batch) -> Float32[Tensor, ""]:
    audio, texts = side.embed_audio(batch.features), side.embed_texts(batch.bags)
    return side.loss(Pairs(audio, texts, batch.keys), 0, len(batch.keys))


@torch.no_grad()
def _measured(side: TextSide, batch: Batch) -> float:
    side.eval()
    loss = float(_loss(side, batch))
    side.train()
    return loss
