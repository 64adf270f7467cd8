"""From settings to tasks of answering."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from earmark.evaluate.base import Task
from earmark.evaluate.config import EvaluateConfig
from earmark.evaluate.qa.questions import fields_of
from earmark.evaluate.questions.choice import ChoiceTask
from earmark.records import Example

if TYPE_CHECKING:
    from earmark.evaluate.qa.language_model import LanguageModelSource


def question_tasks(examples: Sequence[Example], config: EvaluateConfig) -> list[Task]:
    """Return a choice task for each of `config.questions`, and an adapter task for each model.

    Tasks that name one model share it; it is loaded when the first of them is evaluated.

    Raises:
        ConfigError: a field that no clip has; a model that cannot be had; no `transformers`.
    """
    tasks: list[Task] = []
    sources: dict[str, LanguageModelSource] = {}
    for each in config.questions:
        fields = fields_of(examples, each)
        tasks.append(ChoiceTask(each, fields, config.bootstrap))
        if each.model:
            from earmark.evaluate.qa.language_model import LanguageModelSource
            from earmark.evaluate.questions.steering import AdapterTask

            if each.model not in sources:
                sources[each.model] = LanguageModelSource(each.model, config.device)
            tasks.append(AdapterTask(each, fields, sources[each.model], config.bootstrap))
    return tasks
