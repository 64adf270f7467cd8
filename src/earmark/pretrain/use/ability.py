"""What the objective of a checkpoint lets it do, told before its weights are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark.config import ConfigError
from earmark.pretrain.checkpoints.checkpoint import read_settings
from earmark.pretrain.objectives.config import (
    CaptioningConfig,
    ContrastiveConfig,
    ObjectiveConfig,
    TagsConfig,
    TagsParallelConfig,
)
from earmark.pretrain.supervision import parts_of
from earmark.pretrain.use.finding import find_checkpoint, model_type_of


def abilities(config: ObjectiveConfig) -> tuple[str, ...]:
    """Return of "embed", "label", "search" and "describe" what an objective has learnt."""
    parts = parts_of(config)
    learnt = {
        "embed": True,
        "label": any(
            isinstance(part, TagsConfig | TagsParallelConfig | ContrastiveConfig) for part in parts
        ),
        "search": any(isinstance(part, ContrastiveConfig) for part in parts),
        "describe": any(isinstance(part, CaptioningConfig) for part in parts),
    }
    return tuple(name for name, has in learnt.items() if has)


def can_label(path: str | Path) -> bool:
    """Return whether `load_tagger` would take the checkpoint at `path`.

    Raises:
        ConfigError: there is none.
    """
    folder = find_checkpoint(Path(path))
    return not model_type_of(folder) and "label" in abilities(read_settings(folder).objective)


def cannot(wanted: str, folder: Path, config: ObjectiveConfig, kinds: Sequence[str]) -> ConfigError:
    """Return the error of a checkpoint that has not learnt what is wanted of it.

    Args:
        wanted: such as "label".
        folder: the checkpoint.
        config: of its objective.
        kinds: the objectives that would have taught it.
    """
    said = " + ".join(str(part.__struct_config__.tag) for part in parts_of(config))
    return ConfigError(
        f"{folder} was pre-trained with the objective {said} and cannot {wanted}: it can "
        f"{', '.join(abilities(config))}. To {wanted}, take a checkpoint with objective.kind = "
        f"{' or '.join(map(repr, kinds))}, or 'multitask' with such a part."
    )
