"""The settings of evaluation, free of torch."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, field

from earmark.config import Config

Positive = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(min_length=1)]


class TaskConfig(Config, frozen=True, kw_only=True):
    """One question that a probe asks: which value of a label does a clip have?

    Args:
        name: of the task, unique in a recipe.
        label: field of the true labels to predict; clips without it are not part of the task.
        where: keep only clips which have, in each of these label fields, one of these values.
        split: "manifest" fits on train, selects on validation and scores on test. "held-out" takes
            only clips that pre-training did not fit (validation and test) and splits them again by
            recording, 60/20/20: for labels, such as the speaker, that a manifest keeps on one side.
        metric: "auto" is "map" where some clip has several values, else "accuracy".
            "macro-accuracy" is the mean recall of the classes.
        min_per_class: classes with fewer clips in train are left out.
    """

    name: Name
    label: Name
    where: dict[str, tuple[str, ...]] = field(default_factory=dict)
    split: Literal["manifest", "held-out"] = "manifest"
    metric: Literal["auto", "accuracy", "macro-accuracy", "map"] = "auto"
    min_per_class: Positive = 2


class EvaluateConfig(Config, frozen=True, kw_only=True):
    """What is measured, and how sure it is.

    Args:
        tasks: none means that there is nothing to measure.
        bootstrap: resamples of the test clips that an interval is read from.
        regularisation: inverse strengths C that the validation clips choose from.
        max_iterations: of the solver; a probe that needs more counts as not converged.
        block: clips encoded between two writes to the feature cache, hence lost by a kill.
        device: "auto" takes an accelerator where there is one, else "cpu", "cuda", "cuda:1", "mps".
    """

    tasks: tuple[TaskConfig, ...] = ()
    bootstrap: Positive = 1000
    regularisation: Annotated[tuple[Annotated[float, Meta(gt=0)], ...], Meta(min_length=1)] = (
        0.0001,
        0.001,
        0.01,
        0.1,
        1.0,
        10.0,
    )
    max_iterations: Positive = 2000
    block: Positive = 256
    device: str = "auto"
