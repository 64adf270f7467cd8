"""From settings to the tasks of audio and language."""

from __future__ import annotations

from collections.abc import Sequence

from earmark.evaluate.base import Task
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.retrieval.tasks import LitRetrieval, ZeroShotRetrieval
from earmark.records import Example


def language_tasks(examples: Sequence[Example], config: EvaluateConfig) -> list[Task]:
    """Return the tasks of `config.retrieval` and `config.captioning`.

    Each retrieval task is one of probe "zero-shot", and where `lit` is set, one of probe "lit". A
    task whose clips have no texts, or too few, says so in the status of its scores.

    Args:
        examples: the manifest.
        config: of evaluation.

    Raises:
        ConfigError: captions are wanted, and the extra `text` is not installed.
    """
    tasks: list[Task] = []
    for retrieval in config.retrieval:
        tasks.append(ZeroShotRetrieval(examples, retrieval, config))
        if retrieval.lit:
            tasks.append(LitRetrieval(examples, retrieval, config))
    if config.captioning:
        # Here, so that a missing extra is told before anything is computed.
        from earmark.evaluate.captioning.task import Captioning

        tasks.extend(Captioning(examples, captioning, config) for captioning in config.captioning)
    return tasks
