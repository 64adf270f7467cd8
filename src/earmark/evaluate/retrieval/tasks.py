"""Retrieval tasks between clips and texts, in both directions.

The pool are the clips of test that have texts, and their different texts. Audio to text: each clip
is a query, and any of its own texts is right. Text to audio: each caption of each clip is a query,
and every clip that has the same text is right.

Intervals are bootstrapped over recordings: queries are weighted by how often their clip's recording
was drawn. The candidates stay the whole pool, for with fewer of them every rank would be better: an
interval is about other queries against these candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64

from earmark.evaluate.base import FrozenEncoder, Outcome, Task
from earmark.evaluate.config import EvaluateConfig, RetrievalTaskConfig
from earmark.evaluate.probes.base import fit_standardizer
from earmark.evaluate.retrieval.metrics import QueryRanks, chance_levels, rank, rank_metrics
from earmark.evaluate.text_tasks import (
    MetricValue,
    Resampler,
    ResultBuilder,
    make_resampler,
    text_splits,
)
from earmark.pretrain.device import pick_device
from earmark.records import Example

DIRECTIONS = ("audio_to_text", "text_to_audio")
RETRIEVAL_METRICS = tuple(f"{way}_{metric.name}" for way in DIRECTIONS for metric in rank_metrics())
"""What each retrieval task measures, in order."""
LOWER_IS_BETTER = frozenset(
    f"{way}_{metric.name}"
    for way in DIRECTIONS
    for metric in rank_metrics()
    if metric.lower_is_better
)


@final
class ZeroShotRetrieval(Task):
    """Retrieval in the space that an encoder shares with texts, as it was pre-trained.

    Args:
        examples: the manifest; only its test clips are used.
        retrieval: name, texts and clips of the task.
        config: resamples.
    """

    def __init__(
        self, examples: Sequence[Example], retrieval: RetrievalTaskConfig, config: EvaluateConfig
    ) -> None:
        self.name = retrieval.name
        self._sides = text_splits(examples, retrieval.text, retrieval.where)
        self._resamples = config.bootstrap

    def examples(self) -> Sequence[Example]:
        """Return the clips of test that have texts; none where the task cannot be measured."""
        return () if self._sides.problem("test") else self._sides.test.examples

    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Sequence[Outcome]:
        """Score the shared space; an encoder without one "has learnt no texts"."""
        sides = self._sides
        teller = ResultBuilder(
            self.name, "zero-shot", encoder.name, seed, sides, False, LOWER_IS_BETTER
        )
        if problem := sides.problem("test"):
            return teller.failed(RETRIEVAL_METRICS, problem)
        if encoder.aligned is None:
            return teller.failed(RETRIEVAL_METRICS, "has learnt no texts")
        audio = encoder.aligned.audio(sides.test.examples)
        texts = encoder.aligned.texts(sides.test.distinct())
        if not (np.isfinite(audio).all() and np.isfinite(texts).all()):
            return teller.failed(RETRIEVAL_METRICS, "features not finite")
        resample = make_resampler(self.name, sides.test, self._resamples, seed)
        found = measure_retrieval(
            audio @ texts.T, sides.test.ownership(sides.test.distinct()), resample
        )
        return [teller.outcome(each) for each in found]


@final
class LitRetrieval(Task):
    """Retrieval by a text side that is trained against an encoder's frozen features.

    The features are mean-pooled, and standardised by train's mean and deviation.

    Args:
        examples: the manifest.
        retrieval: name, texts and clips of the task, and the training.
        config: resamples and device.
    """

    def __init__(
        self, examples: Sequence[Example], retrieval: RetrievalTaskConfig, config: EvaluateConfig
    ) -> None:
        self.name = retrieval.name
        self._sides = text_splits(examples, retrieval.text, retrieval.where)
        self._problem = self._sides.problem("train", "validation", "test")
        self._retrieval = retrieval
        self._config = config

    def examples(self) -> Sequence[Example]:
        """Return the clips that have texts; none where the task cannot be measured."""
        return () if self._problem else self._sides.examples()

    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Sequence[Outcome]:
        """Train on train, choose the step on validation, score on test."""
        from earmark.evaluate.retrieval.lit import train_lit

        sides, retrieval = self._sides, self._retrieval
        teller = ResultBuilder(self.name, "lit", encoder.name, seed, sides, True, LOWER_IS_BETTER)
        if self._problem:
            return teller.failed(RETRIEVAL_METRICS, self._problem)
        train, validation, test = (encoder.pooled(side.examples) for side in sides[:3])
        if not all(np.isfinite(features).all() for features in (train, validation, test)):
            return teller.failed(RETRIEVAL_METRICS, "features not finite")
        scaling = fit_standardizer(train)
        tuned = train_lit(
            (scaling(train).astype(np.float32), sides.train),
            (scaling(validation).astype(np.float32), sides.validation),
            steps=retrieval.steps,
            lr=retrieval.lr,
            seed=seed,
            device=pick_device(self._config.device, setting="evaluate.device"),
        )
        if tuned.step == 0:
            return teller.failed(RETRIEVAL_METRICS, "training did not converge")
        texts = sides.test.distinct()
        scores = tuned.scores(scaling(test).astype(np.float32), texts)
        resample = make_resampler(self.name, sides.test, self._config.bootstrap, seed)
        found = measure_retrieval(scores, sides.test.ownership(texts), resample)
        chosen = f"step {tuned.step}"
        return [teller.outcome(each, chosen=chosen, validation=tuned.loss) for each in found]


def measure_retrieval(
    scores: Float32[np.ndarray, "clips texts"],
    own: Bool[np.ndarray, "clips texts"],
    resample: Resampler,
) -> list[MetricValue]:
    """Return every metric of `RETRIEVAL_METRICS`, in order.

    Args:
        scores: how alike clips and texts are; the higher, the more.
        own: which texts are a clip's; each clip and each text has one.
        resample: over the clips.
    """
    clips, texts = np.nonzero(own)
    ways = (
        _Direction(rank(scores, own), own, np.arange(len(own))),
        _Direction(rank(scores.T, own.T).of(texts), own.T[texts], clips),
    )
    once = np.ones((1, len(own)))
    values = np.concatenate([way.values(once) for way in ways])[:, 0]
    resampled = resample(lambda weights: np.concatenate([way.values(weights) for way in ways]))
    chance = [level for way in ways for level in way.chance()]
    candidates = [way.right.shape[1] for way in ways for _ in rank_metrics()]
    return [
        MetricValue(*found)
        for found in zip(
            RETRIEVAL_METRICS, values.tolist(), chance, candidates, resampled, strict=True
        )
    ]


@dataclass(frozen=True)
class _Direction:
    """One direction: where the right candidates of its queries are; `clips` are the queries'."""

    ranked: QueryRanks
    right: Bool[np.ndarray, "queries candidates"]
    clips: Int64[np.ndarray, " queries"]

    def values(
        self, weights: Float64[np.ndarray, "resamples clips"]
    ) -> Float64[np.ndarray, "metrics resamples"]:
        """Return every metric of weighted clips."""
        queries = weights[:, self.clips]
        return np.stack([metric.measure(self.ranked, queries) for metric in rank_metrics()])

    def chance(self) -> list[float]:
        """Return what a random order would score by every metric."""
        found = chance_levels(self.right.sum(axis=1), self.right.shape[1])
        return [found[metric.name] for metric in rank_metrics()]
