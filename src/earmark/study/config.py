"""A study as a user writes it: a base recipe, axes with their levels, and seeds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, field

from earmark.config import (
    Config,
    ConfigError,
    Name,
    NonNegativeFloat,
    Package,
    PositiveFloat,
    PositiveInt,
    decode_config,
    load_toml,
    suggest,
)
from earmark.recipe import shipped_file, shipped_names


class LocalExecution(Config, frozen=True, kw_only=True, tag="local", tag_field="kind"):
    """Runs as processes of this machine.

    Args:
        processes: runs at a time.
        devices: accelerators that they are dealt, as CUDA_VISIBLE_DEVICES names them; where it is
            empty, all runs see all of them and take the first.
    """

    processes: PositiveInt = 1
    devices: tuple[str, ...] = ()


class RayExecution(Config, frozen=True, kw_only=True, tag="ray", tag_field="kind"):
    """Runs spread over a Ray cluster whose machines share the workspace's disk.

    Args:
        address: of the cluster; "" for the one of the environment, else a new one on this machine.
        cpus: that each run takes.
        gpus: that each run takes.
    """

    address: str = ""
    cpus: PositiveFloat = 1.0
    gpus: NonNegativeFloat = 0.0

    @property
    def packages(self) -> tuple[Package, ...]:
        """The cluster's client."""
        return (Package("ray", "ray"),)


class StudyConfig(Config, frozen=True, kw_only=True):
    """What is varied, and how sure the answer shall be.

    Args:
        recipe: the base: a TOML file (from the study's own folder), or a shipped recipe by name.
        question: what the study asks, in a sentence.
        seeds: of training: weights, order and masks. Splits and probes are those of the recipe's
            own seed, so that runs are compared on the same clips.
        set: "key=value" for every arm, as on the command line.
        axes: by name, an axis' levels by name, each with its "key=value" settings. The first level
            of each makes up the base arm.
        design: "star" varies one axis at a time, "grid" has every combination.
        execute: where runs are done.
    """

    recipe: Name
    question: str = ""
    seeds: Annotated[tuple[int, ...], Meta(min_length=1)] = (0, 1, 2)
    set: tuple[str, ...] = ()
    axes: dict[str, dict[str, tuple[str, ...]]] = field(
        default_factory=dict[str, dict[str, tuple[str, ...]]]
    )
    design: Literal["star", "grid"] = "star"
    execute: LocalExecution | RayExecution = LocalExecution()

    def check(self) -> None:
        """Refuse a study of nothing. Raises ConfigError."""
        if not self.axes:
            raise ConfigError(
                "axes is empty: name what is varied, such as [axes.objective] with tags = [] and "
                'contrastive = ["objective.kind=contrastive"].'
            )
        for name, levels in self.axes.items():
            if len(levels) < 2:
                raise ConfigError(
                    f"axes.{name} has {len(levels)} level: give it two or more, the base arm's "
                    "first."
                )
        for seed, count in Counter(self.seeds).items():
            if count > 1:
                raise ConfigError(f"seeds has {seed} {count} times; give different ones.")


def load_study(path: str, overrides: list[str]) -> tuple[str, StudyConfig]:
    """Read a study from a TOML file, or a shipped one by name; returns its name too.

    Raises:
        ConfigError: no such study, or something in it cannot be right.
    """
    file = Path(path)
    names = shipped_names(studies=True)
    if not file.is_file() and file.suffix != ".toml" and path not in names:
        raise ConfigError(f"{path} is neither a file nor a shipped study.{suggest(path, names)}")
    with shipped_file(path) as found:
        data = load_toml(found, overrides)
        if "recipe" not in data:
            raise ConfigError(
                f'{path} names no recipe to start from: it is no study. Write recipe = "...", or '
                f"run it by itself: earmark run {path}"
            )
        config = decode_config(data, StudyConfig, where=path)
    base = config.recipe
    if base in shipped_names() or Path(base).is_absolute():
        return file.stem, config
    beside = file.absolute().parent / base
    if not beside.is_file():
        raise ConfigError(
            f"{path}: recipe = {base!r} is neither a file beside the study ({beside}) nor a "
            f"shipped recipe.{suggest(base, shipped_names())}"
        )
    return file.stem, decode_config({**data, "recipe": str(beside)}, StudyConfig, where=path)
