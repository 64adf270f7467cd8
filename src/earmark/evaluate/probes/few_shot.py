"""Linear probes on few clips a class: how much labelling an encoder spares.

For n shots, n clips of each class are drawn from train and n from validation: C is chosen on those
alone, and the scaling is theirs, so that nothing else of either side is looked at. The test clips
are all. A class with fewer than n clips gives what it has; a class with none in validation is
absent there. The clips of a class come from different recordings as far as there are enough.
A draw depends on the seed and the clips, not on the encoder, and its n clips are among its n + 1:
curves and encoders are compared on the same draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int64

from earmark.evaluate.base import FrozenEncoder
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.probes.base import Answer, Pooled, Probe, Question, pooled_features
from earmark.evaluate.probes.linear import answer
from earmark.evaluate.splits import Part


class FewShotProbe(Probe):
    """A linear probe on `shots` clips a class.

    Args:
        shots: clips a class.
        config: grid, solver, and how many draws.
    """

    name = "linear"

    def __init__(self, shots: int, config: EvaluateConfig) -> None:
        self.shots = shots
        self.config = config

    def answers(self, encoder: FrozenEncoder, question: Question, *, seed: int) -> Sequence[Answer]:
        """Return one answer a draw of clips."""
        features = pooled_features(encoder, question)
        return [
            self._answer(features, question, np.random.default_rng((seed, draw)))
            for draw in range(self.config.draws)
        ]

    def _answer(self, features: Pooled, question: Question, rng: np.random.Generator) -> Answer:
        several = question.one_vs_rest
        train = draw_clips(question.train, self.shots, several, rng)
        validation = draw_clips(question.validation, self.shots, several, rng)
        return answer(
            Pooled(features.train[train], features.validation[validation], features.test),
            _rows(question.train, train),
            _rows(question.validation, validation),
            question.metric,
            self.config,
        )


def draw_clips(
    part: Part, shots: int, several: bool, rng: np.random.Generator
) -> Int64[np.ndarray, " drawn"]:
    """Return the rows of `shots` clips a class, or as many as it has, in ascending order.

    Where a clip may have `several` classes, drawing goes on until `shots` of the drawn have each
    class, and `shots` of them lack it: a class needs both to be learnt.
    """
    order = _recordings_first(part.recordings(), rng)
    wanted = [*part.targets.T, *(~part.targets.T if several else ())]
    drawn = np.zeros(len(part.examples), dtype=bool)
    for belongs in wanted:
        missing = shots - int((belongs & drawn).sum())
        drawn[order[(belongs & ~drawn)[order]][: max(missing, 0)]] = True
    return np.flatnonzero(drawn)


def _recordings_first(
    recordings: Sequence[str], rng: np.random.Generator
) -> Int64[np.ndarray, " clips"]:
    """Return clips in random order: one of each recording, then a second of each, and so on."""
    shuffled = rng.permutation(len(recordings))
    seen: Counter[str] = Counter()
    turn = np.zeros(len(recordings), dtype=np.int64)
    for place, row in enumerate(map(int, shuffled)):
        turn[place] = seen[recordings[row]]
        seen[recordings[row]] += 1
    return shuffled[np.argsort(turn, kind="stable")]


def _rows(part: Part, rows: Int64[np.ndarray, " drawn"]) -> Part:
    return Part(tuple(part.examples[row] for row in rows), part.targets[rows])
