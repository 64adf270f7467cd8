"""Plan a study: the recipe of each arm under each seed."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from earmark.config import ConfigError, fingerprint
from earmark.recipe import Recipe, load_recipe
from earmark.study.config import StudyConfig
from earmark.study.results import Design


@dataclass(frozen=True)
class PlannedRun:
    """One arm under one seed, to be run."""

    arm: str
    seed: int
    recipe: Recipe


@dataclass(frozen=True)
class StudyPlan:
    """A study's design and its runs: all arms of the first seed, then of the next."""

    design: Design
    runs: tuple[PlannedRun, ...]


def plan_study(name: str, config: StudyConfig) -> StudyPlan:
    """Return the runs of a study; every recipe has been read, and nothing has been run.

    Raises:
        ConfigError: an arm's recipe cannot be right, or its budget is not in audio-seconds.
    """
    arms = _arms(config)
    design = Design(
        name=name,
        question=config.question,
        axes={axis: tuple(levels) for axis, levels in config.axes.items()},
        arms=arms,
        seeds=config.seeds,
    )
    runs = [
        PlannedRun(arm, seed, _recipe(config, arm, levels, seed, is_base=arm == design.base))
        for seed in config.seeds
        for arm, levels in arms.items()
    ]
    _check_distinct(runs[: len(arms)])
    return StudyPlan(design, tuple(runs))


def without_baselines(recipe: Recipe) -> Recipe:
    """Return a recipe without the encoders that only the base arm is held against."""
    return replace(recipe, evaluate=replace(recipe.evaluate, baselines=(), encoders={}))


def _check_distinct(arms: Sequence[PlannedRun]) -> None:
    seen: dict[str, str] = {}
    for each in arms:
        other = seen.setdefault(fingerprint(without_baselines(each.recipe)), each.arm)
        if other != each.arm:
            raise ConfigError(
                f"the arms {other!r} and {each.arm!r} are the same run: they have equal settings."
            )


def _arms(config: StudyConfig) -> dict[str, dict[str, str]]:
    """Return each arm's level on every axis, the base arm first."""
    axes = {axis: list(levels) for axis, levels in config.axes.items()}
    base = {axis: levels[0] for axis, levels in axes.items()}
    if config.design == "grid":
        chosen = [
            dict(zip(axes, levels, strict=True)) for levels in itertools.product(*axes.values())
        ]
    else:
        varied = [base | {axis: level} for axis, levels in axes.items() for level in levels[1:]]
        chosen = [base, *varied]
    named = {", ".join(levels.values()): levels for levels in chosen}
    if len(named) < len(chosen):
        raise ConfigError(
            "axes: two arms would have the same name, for a level's name has a comma in it. Name "
            "levels without commas."
        )
    return named


def _recipe(
    config: StudyConfig, arm: str, levels: Mapping[str, str], seed: int, *, is_base: bool
) -> Recipe:
    """Return an arm's recipe; what every run is held against is measured once, by the base arm."""
    own = [setting for axis, level in levels.items() for setting in config.axes[axis][level]]
    try:
        recipe = load_recipe(config.recipe, [*config.set, *own, f"pretrain.seed={seed}"])
    except ConfigError as error:
        raise ConfigError(f"arm {arm!r}: {error}") from None
    if not recipe.pretrain.audio_s:
        raise ConfigError(
            f"arm {arm!r} counts its training in steps, whose audio differs between arms. Give all "
            'of them the same seconds of audio: set = ["pretrain.audio_s=36000"].'
        )
    return recipe if is_base else without_baselines(recipe)
