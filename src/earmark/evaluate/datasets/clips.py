"""The clips of a classification task, wherever they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from earmark.evaluate.config import TaskConfig
from earmark.records import Example


@dataclass(frozen=True)
class Clips:
    """What a task is asked on.

    `task` is complete: its label and its metric are set. `folds` has the fold of each clip where
    the dataset is cross-validated, by clip id; else it is empty. `problem` says why the task cannot
    be measured (what is missing, and how to get it), and is empty where it can. `foreign` tells
    that the clips are not the manifest's.
    """

    task: TaskConfig
    examples: tuple[Example, ...] = ()
    folds: Mapping[str, str] = field(default_factory=dict[str, str])
    problem: str = ""
    foreign: bool = False
