"""A classification task: one probe on one split of the clips, or on each fold of several.

Under cross-validation each fold's clips are scored by a probe that never saw them, with a setting
that this fold's own validation chose; then all clips of all folds are scored at once, so that there
is one value and one bootstrap over all recordings. Where ranks count (mAP), scores of different
folds are ranked together: log-odds and shares of votes compare.

Where a probe depends on chance (which few clips were drawn, which first weights), its predictions
are draws, and the bootstrap has two levels: each resample draws test recordings, and independently
of these some of the draws, with replacement. Its value is the mean over them. Encoders share both,
so that differences are paired by clip and by draw. Of D draws D - 1 count in a resample, which
makes the variance of their mean an unbiased one (Rao & Wu 1988, "Resampling inference with complex
survey data"). With one draw, an interval is about that draw alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64

from earmark.bootstrap import bootstrap_values, clips_digest, percentile_interval
from earmark.evaluate.base import NAN, OK, Confusion, Fit, FrozenEncoder, Outcome, Task
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.metrics import Metric, get_metric
from earmark.evaluate.probes.base import Prediction, Probe, ProbeError, probe_data
from earmark.evaluate.splits import TaskSplits
from earmark.records import Example, Score, recording_id


@dataclass(frozen=True)
class ProbeRun:
    """Who is asked what: the head of every row, and the truth about the test clips.

    `targets` and `recordings` are those of the test clips of all folds, one after another, and
    `clips` is their digest; `train`, `validation` and `left_out` count clips where there is no
    answer that does.
    """

    task: str
    encoder: str
    probe: str
    shots: int
    seed: int
    metric: Metric
    single_label: bool
    classes: tuple[str, ...]
    targets: Bool[np.ndarray, "clips classes"]
    recordings: Sequence[str]
    clips: str
    train: int
    validation: int
    left_out: int


def failed_outcome(asked: ProbeRun, status: str) -> Outcome:
    """Return the outcome of a task that cannot be scored, which says why."""
    return _make_outcome(asked, NAN, np.zeros(0), (), status)


def score_predictions(
    asked: ProbeRun, draws: Sequence[Sequence[Prediction]], resamples: int
) -> Outcome:
    """Score the answers of one or several draws, each of which has an answer a fold.

    The value is the mean over draws, a resample's that over the draws which count there; the
    confusion is the first draw's.

    Args:
        asked: the rows' head.
        draws: answers whose columns are `asked.classes`.
        resamples: of the bootstrap.
    """
    scores = [np.concatenate([answer.scores for answer in folds]) for folds in draws]
    value = float(np.mean([asked.metric.value(found, asked.targets) for found in scores]))
    resampled = _bootstrap(asked, scores, resamples)
    answers = [answer for folds in draws for answer in folds]
    # Confusions do not say of how many shots they are, so they are of the full fit alone.
    confusion = _confusion(asked, scores[0]) if asked.single_label and not asked.shots else ()
    return _make_outcome(asked, value, resampled, answers, OK, confusion)


def _bootstrap(
    asked: ProbeRun, scores: Sequence[Float64[np.ndarray, "clips classes"]], resamples: int
) -> Float64[np.ndarray, " resamples"]:
    measure = asked.metric.measure
    values = bootstrap_values(
        lambda weights: np.stack([measure(found, asked.targets, weights) for found in scores]),
        asked.recordings,
        task=asked.task,
        seed=asked.seed,
        resamples=resamples,
    )
    return (values * _draw_shares(asked, *values.shape)).sum(axis=0)


def _draw_shares(
    asked: ProbeRun, draws: int, resamples: int
) -> Float64[np.ndarray, "draws resamples"]:
    """Return which share of each resample every draw is; equal for every encoder."""
    rng = np.random.default_rng((asked.seed, *f"draws of {asked.task}".encode()))
    count = max(draws - 1, 1)
    counted = rng.multinomial(count, np.full(draws, 1 / draws), size=resamples)
    return counted.T / count


def _confusion(
    asked: ProbeRun, scores: Float64[np.ndarray, "clips classes"]
) -> tuple[Confusion, ...]:
    pairs = zip(asked.targets.argmax(axis=1), scores.argmax(axis=1), strict=True)
    counts = Counter((int(truth), int(predicted)) for truth, predicted in pairs)
    return tuple(
        Confusion(
            task=asked.task,
            encoder=asked.encoder,
            probe=asked.probe,
            truth=asked.classes[truth],
            predicted=asked.classes[predicted],
            clips=clips,
        )
        for (truth, predicted), clips in sorted(counts.items())
    )


def _make_outcome(
    asked: ProbeRun,
    value: float,
    resampled: Float64[np.ndarray, " resamples"],
    answers: Sequence[Prediction],
    status: str,
    confusion: tuple[Confusion, ...] = (),
) -> Outcome:
    low, high = percentile_interval(resampled)
    train = _mean_clips([answer.train_clips for answer in answers], asked.train)
    validation = _mean_clips([answer.validation_clips for answer in answers], asked.validation)
    score = Score(
        task=asked.task,
        encoder=asked.encoder,
        metric=asked.metric.name,
        value=value,
        low=low,
        high=high,
        chance=asked.metric.chance(asked.targets) if asked.targets.any() else NAN,
        train=train,
        test=len(asked.targets),
        classes=len(asked.classes),
        seed=asked.seed,
        status=status,
        probe=asked.probe,
        shots=asked.shots,
        clips=asked.clips,
    )
    fit = Fit(
        task=asked.task,
        encoder=asked.encoder,
        chosen=_chosen_settings(answers),
        validation=float(np.mean([a.validation for a in answers])) if answers else NAN,
        train_clips=train,
        validation_clips=validation,
        test_clips=len(asked.targets),
        left_out=asked.left_out,
        probe=asked.probe,
        shots=asked.shots,
    )
    return Outcome(score, fit, resampled, confusion)


def _mean_clips(counts: Sequence[int], otherwise: int) -> int:
    return round(sum(counts) / len(counts)) if counts else otherwise


def _chosen_settings(answers: Sequence[Prediction]) -> str:
    """Return what was chosen, most frequent first: "C = 0.1", or "C = 0.1 (4 of 5), ..."."""
    counts = Counter(answer.chosen for answer in answers)
    if len(counts) < 2:
        return "".join(counts)
    total = len(answers)
    return ", ".join(f"{chosen} ({count} of {total})" for chosen, count in counts.most_common())


SCORES_NOT_FINITE = "scores not finite"


class ClassificationTask(Task):
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
        self, name: str, partitions: Sequence[TaskSplits], probe: Probe, config: EvaluateConfig
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
        self.problem = _first_problem(partitions)

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
            return [failed_outcome(asked, self.problem)]
        try:
            folds = [self._answers(encoder, parts, seed) for parts in self.partitions]
        except ProbeError as fault:
            return [failed_outcome(asked, str(fault))]
        draws = list(zip(*folds, strict=True))
        return [score_predictions(asked, draws, self.config.bootstrap)]

    def _answers(self, encoder: FrozenEncoder, parts: TaskSplits, seed: int) -> list[Prediction]:
        """Return a fold's answers over the classes of all folds."""
        columns = [self.classes.index(name) for name in parts.classes]
        answers: list[Prediction] = []
        for answer in self.probe.answers(encoder, probe_data(parts), seed=seed):
            if not np.isfinite(answer.scores).all():
                raise ProbeError(SCORES_NOT_FINITE)
            # A class that this fold's train does not know is the least likely one.
            scores = np.full((len(answer.scores), len(self.classes)), -np.inf)
            scores[:, columns] = answer.scores
            answers.append(replace(answer, scores=scores))
        return answers

    def _asked(self, encoder: str, seed: int) -> ProbeRun:
        folds = self.partitions
        targets = np.concatenate([self._targets(parts) for parts in folds])
        test = [example for parts in folds for example in parts.test.examples]
        truths = [[self.classes[place] for place in np.flatnonzero(row)] for row in targets]
        return ProbeRun(
            task=self.name,
            encoder=encoder,
            probe=self.probe.name,
            shots=self.probe.shots,
            seed=seed,
            metric=get_metric(folds[0].metric),
            single_label=folds[0].metric != "map",
            classes=self.classes,
            targets=targets,
            recordings=[recording_id(example) for example in test],
            clips=clips_digest(test, truths),
            train=round(sum(len(parts.train.examples) for parts in folds) / len(folds)),
            validation=round(sum(len(parts.validation.examples) for parts in folds) / len(folds)),
            left_out=sum(parts.left_out for parts in folds),
        )

    def _targets(self, parts: TaskSplits) -> np.ndarray:
        targets = np.zeros((len(parts.test.examples), len(self.classes)), dtype=bool)
        targets[:, [self.classes.index(name) for name in parts.classes]] = parts.test.targets
        return targets


def _first_problem(partitions: Sequence[TaskSplits]) -> str:
    """Return why the task cannot be measured: one fold less would be another task."""
    for number, parts in enumerate(partitions, start=1):
        if parts.problem:
            fold = f"fold {number} of {len(partitions)}: " if len(partitions) > 1 else ""
            return fold + parts.problem
    return ""
