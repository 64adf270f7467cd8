"""Tasks against the labels that there are: what a user misspelt, before anything is computed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from earmark.config import ConfigError, nearest
from earmark.evaluate.config import (
    CheckpointChoice,
    EncoderChoice,
    EvaluateConfig,
    ExternalChoice,
    QuestionsConfig,
    TaskConfig,
)
from earmark.evaluate.datasets.entries import dataset_named
from earmark.evaluate.datasets.own_table import check_table
from earmark.evaluate.partition import belongs
from earmark.external import import_target
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.use.finding import find_checkpoint
from earmark.records import Labels


def check_encoders(config: EvaluateConfig) -> None:
    """Check that further encoders are where the settings say, before anything is computed.

    Raises:
        ConfigError: no checkpoint, no such class, or a package is missing; the encoder is named.
    """
    for name, choice in config.encoders.items():
        try:
            _check_encoder(choice)
        except ConfigError as error:
            raise ConfigError(f"evaluate.encoders.{name}: {error}") from None
    if any(task.model for task in config.questions):
        _check_transformers("evaluate.questions.model")


def _check_encoder(choice: EncoderChoice) -> None:
    match choice:
        case CheckpointChoice():
            find_checkpoint(Path(choice.path))
        case ExternalChoice():
            from earmark.pretrain.encoders.base import Encoder

            import_target(choice.target, Encoder)
        case HuggingFaceConfig():
            _check_transformers("it")


def _check_transformers(what: str) -> None:
    if find_spec("transformers") is None:
        raise ConfigError(
            f"{what} needs transformers, which is not installed: pip install "
            "'earmark[transformers]'"
        )


def check_questions(questions: Sequence[QuestionsConfig], labels: Sequence[Labels]) -> None:
    """Check that questions ask of label fields that some clip has. Raises ConfigError."""
    known = {field for row in labels for field in row}
    for task in questions:
        for field in (*task.fields, *task.where):
            if field not in known:
                raise ConfigError(
                    f"evaluate.questions, {task.name!r}: no clip has a label {field!r}."
                    f"{nearest(field, known)}"
                )


def check_tasks(tasks: Sequence[TaskConfig], labels: Sequence[Labels]) -> None:
    """Check that tasks have different names and ask for what there is.

    That is a label that some clip of the manifest has, a dataset that is known by name (whether a
    copy is there is not asked), or a table with the columns that the task names.

    Raises:
        ConfigError: two tasks share a name, a dataset is unknown, a table or a column of it is not
            there, a field exists nowhere or none of its `where` values does, or an accuracy is
            asked of clips with several values.
    """
    for name, count in Counter(task.title for task in tasks).items():
        if count > 1:
            raise ConfigError(
                f"evaluate.tasks: {count} tasks are named {name!r}. Rename one (name = ...)."
            )
    known: dict[str, set[str]] = defaultdict(set)
    for row in labels:
        for field, values in row.items():
            known[field].update(values)
    for task in tasks:
        if task.dataset:
            dataset_named(task.dataset)
        elif task.table:
            check_table(task)
        else:
            _check_fields(task, known)
            _check_metric(task, labels)


def _check_fields(task: TaskConfig, known: Mapping[str, set[str]]) -> None:
    for key, field in [("label", task.label), *(("where", field) for field in task.where)]:
        if field not in known:
            hint = nearest(field, known) or " The clips have no labels at all."
            raise ConfigError(
                f"evaluate.tasks, {task.title!r}: {key} names {field!r}, a label that no clip "
                f"has.{hint}"
            )
    for field, values in task.where.items():
        if not known[field].intersection(values):
            given = ", ".join(map(repr, values)) or "nothing"
            hint = nearest(values[0] if values else "", known[field])
            raise ConfigError(
                f"evaluate.tasks, {task.title!r}: where.{field} asks for {given}, which no clip "
                f"has.{hint}"
            )


def _check_metric(task: TaskConfig, labels: Sequence[Labels]) -> None:
    if task.metric not in ("accuracy", "macro-accuracy"):
        return
    several = [row for row in labels if belongs(row, task) and len(set(row[task.label])) > 1]
    if several:
        raise ConfigError(
            f"evaluate.tasks, {task.title!r}: {task.metric} wants one value a clip, but "
            f"{len(several)} clips have several of {task.label!r}, such as "
            f'{", ".join(several[0][task.label])}. Use metric = "map" or "auto".'
        )
