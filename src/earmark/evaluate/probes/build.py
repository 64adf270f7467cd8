"""From the settings to the probes of a classification task."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.evaluate.base import Task
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.probes.base import Probe
from earmark.evaluate.probes.classification import Classification
from earmark.evaluate.probes.few_shot import FewShotProbe
from earmark.evaluate.probes.knn import NearestProbe
from earmark.evaluate.probes.linear import LinearProbe
from earmark.evaluate.splits import Partition


def probes_of(name: str, partitions: Sequence[Partition], config: EvaluateConfig) -> list[Task]:
    """Return a task for each of `config.probes`, then for each of `config.shots`.

    Args:
        name: of all of them; they differ in probe and shots.
        partitions: one, or the folds of a cross-validation.
        config: which probes, and their settings.

    Raises:
        ValueError: there is no partition, or they differ in metric.
    """
    probes = [_probe(kind, config) for kind in config.probes]
    few: list[Probe] = [FewShotProbe(shots, config) for shots in config.shots]
    return [Classification(name, partitions, probe, config) for probe in probes + few]


def _probe(kind: str, config: EvaluateConfig) -> Probe:
    match kind:
        case "linear":
            return LinearProbe(config)
        case "nearest":
            return NearestProbe()
        case _:
            from earmark.evaluate.probes.attentive import AttentionProbe

            return AttentionProbe(config)
