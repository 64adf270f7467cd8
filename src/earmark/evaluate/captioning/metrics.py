"""All metrics of captions, each as sums over clips, so that resamples cost one product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from earmark.evaluate.language.caption_metrics.bleu import LONGEST, bleu, bleu_counts
from earmark.evaluate.language.caption_metrics.cider import cider_d
from earmark.evaluate.language.caption_metrics.meteor import meteor_like
from earmark.evaluate.language.caption_metrics.rouge import rouge_l
from earmark.evaluate.words import tokenise

CAPTION_METRICS = (
    *(f"bleu_{length}" for length in range(1, LONGEST + 1)),
    *("rouge_l", "meteor_like", "cider_d"),
)
"""The names of `caption_metrics`, in order."""


@dataclass(frozen=True)
class CaptionMetric:
    """A metric of a set of captions, from 0 to 1 (CIDEr-D: 0 to 10), higher is better.

    `rows` is what each clip adds; `combine` makes the metric of weighted sums over clips.
    """

    name: str
    rows: Float64[np.ndarray, "clips parts"]
    combine: Callable[[Float64[np.ndarray, "resamples parts"]], Float64[np.ndarray, " resamples"]]

    def value(self) -> float:
        """Return the metric of the whole set."""
        return float(self.measure(np.ones((1, len(self.rows))))[0])

    def measure(
        self, weights: Float64[np.ndarray, "resamples clips"]
    ) -> Float64[np.ndarray, " resamples"]:
        """Return the metric of each resample; `weights` is how often it holds each clip.

        BLEU is that of the resampled set. Document frequencies of CIDEr-D stay those of the whole
        set: what a clip's caption is worth does not change from one resample to the next.
        """
        return self.combine(weights @ self.rows)


def caption_metrics(
    candidates: Sequence[str], references: Sequence[Sequence[str]]
) -> list[CaptionMetric]:
    """Return every metric of a set of captions, in the order of `CAPTION_METRICS`.

    Args:
        candidates: one caption a clip; an empty one scores 0.
        references: the clip's own texts, at least one each.
    """
    ours = [tokenise(text) for text in candidates]
    theirs = [[tokenise(text) for text in texts] for texts in references]
    counts = bleu_counts(ours, theirs)
    pairs = list(zip(ours, theirs, strict=True))
    return [
        *(_bleu(counts, length) for length in range(1, LONGEST + 1)),
        _mean("rouge_l", np.array([rouge_l(own, refs) for own, refs in pairs])),
        _mean("meteor_like", np.array([meteor_like(own, refs) for own, refs in pairs])),
        _mean("cider_d", cider_d(ours, theirs)),
    ]


def _bleu(counts: Float64[np.ndarray, "clips parts"], longest: int) -> CaptionMetric:
    return CaptionMetric(f"bleu_{longest}", counts, lambda sums: bleu(sums, longest))


def _mean(name: str, values: Float64[np.ndarray, " clips"]) -> CaptionMetric:
    rows = np.stack([values, np.ones(len(values))], axis=1)
    return CaptionMetric(name, rows, lambda sums: sums[:, 0] / sums[:, 1])
