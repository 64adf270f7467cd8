"""A classification task: one probe, asked of one partition or of each fold of several.

Under cross-validation each fold's clips are scored by a probe that never saw them, with a setting
that this fold's own validation chose; then all clips of all folds are scored at once, so that there
is one value and one bootstrap over all recordings. Where ranks count (mAP), scores of different
folds are ranked together: log-odds and shares of votes compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from earmark.bootstrap import clips_digest
from earmark.evaluate.base import FrozenEncoder, Outcome, Task
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.metrics import metric_named
from earmark.evaluate.probes.base import Answer, Probe, ProbeError, question_of
from earmark.evaluate.probes.outcome import Asked, no_outcome, outcome_of
from earmark.evaluate.splits import Partition
from earmark.records import Example, recording_of

SCORES_NOT_FINITE = "scores not finite"


class Classification(Task):
    """A task that a probe answers. A fault of the probe, or of a partition, is a status.

    Args:
        name: of the task.
        partitions: its clips; of several, each is a fold of a cross-validation.
        probe: how features are asked.
        config: the bootstrap's.

    Raises:
        ValueError: there is no partition, or they differ in metric.
    """

    def __init__(
        self, name: str, partitions: Sequence[Partition], probe: Probe, config: EvaluateConfig
    ) -> None:
        metrics = sorted({parts.metric for parts in partitions})
        if len(metrics) != 1:
            raise ValueError(
                f"Task {name!r} has {len(partitions)} partitions with the metrics "
                f"{', '.join(metrics) or 'of none'}; it needs at least one, and one metric for all."
            )
        self.name = name
        self.partitions = tuple(partitions)
        self.probe = probe
        self.config = config
        self.needs_frames = probe.needs_frames
        self.classes = tuple(sorted({name for parts in partitions for name in parts.classes}))
        self.problem = _problem(partitions)

    def examples(self) -> Sequence[Example]:
        """Return the clips of all sides, each once; none where a partition has a problem."""
        if self.problem:
            return ()
        sides = [
            side for fold in self.partitions for side in (fold.train, fold.validation, fold.test)
        ]
        return list({example.id: example for side in sides for example in side.examples}.values())

    def evaluate(self, encoder: FrozenEncoder, *, seed: int) -> Sequence[Outcome]:
        """Return one outcome. `seed` is the bootstrap's, and that of the probe's draws."""
        asked = self._asked(encoder.name, seed)
        if self.problem:
            return [no_outcome(asked, self.problem)]
        try:
            folds = [self._answers(encoder, parts, seed) for parts in self.partitions]
        except ProbeError as fault:
            return [no_outcome(asked, str(fault))]
        draws = list(zip(*folds, strict=True))
        return [outcome_of(asked, draws, self.config.bootstrap)]

    def _answers(self, encoder: FrozenEncoder, parts: Partition, seed: int) -> list[Answer]:
        """Return a fold's answers over the classes of all folds."""
        columns = [self.classes.index(name) for name in parts.classes]
        answers: list[Answer] = []
        for answer in self.probe.answers(encoder, question_of(parts), seed=seed):
            if not np.isfinite(answer.scores).all():
                raise ProbeError(SCORES_NOT_FINITE)
            # A class that this fold's train does not know is the least likely one.
            scores = np.full((len(answer.scores), len(self.classes)), -np.inf)
            scores[:, columns] = answer.scores
            answers.append(replace(answer, scores=scores))
        return answers

    def _asked(self, encoder: str, seed: int) -> Asked:
        folds = self.partitions
        targets = np.concatenate([self._targets(parts) for parts in folds])
        test = [example for parts in folds for example in parts.test.examples]
        truths = [[self.classes[place] for place in np.flatnonzero(row)] for row in targets]
        return Asked(
            task=self.name,
            encoder=encoder,
            probe=self.probe.name,
            shots=self.probe.shots,
            seed=seed,
            metric=metric_named(folds[0].metric),
            one_answer=folds[0].metric != "map",
            classes=self.classes,
            targets=targets,
            recordings=[recording_of(example) for example in test],
            clips=clips_digest(test, truths),
            train=round(sum(len(parts.train.examples) for parts in folds) / len(folds)),
            validation=round(sum(len(parts.validation.examples) for parts in folds) / len(folds)),
            left_out=sum(parts.left_out for parts in folds),
        )

    def _targets(self, parts: Partition) -> np.ndarray:
        targets = np.zeros((len(parts.test.examples), len(self.classes)), dtype=bool)
        targets[:, [self.classes.index(name) for name in parts.classes]] = parts.test.targets
        return targets


def _problem(partitions: Sequence[Partition]) -> str:
    """Return why the task cannot be measured: one fold less would be another task."""
    for number, parts in enumerate(partitions, start=1):
        if parts.problem:
            fold = f"fold {number} of {len(partitions)}: " if len(partitions) > 1 else ""
            return fold + parts.problem
    return ""
