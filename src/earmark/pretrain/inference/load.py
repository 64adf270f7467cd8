"""Load a trained encoder or a whole checkpoint, and say what its objective makes it capable of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from earmark.config import ConfigError
from earmark.pretrain.checkpoint.checkpoint import Checkpoint, load_checkpoint
from earmark.pretrain.checkpoint.folder import (
    find_checkpoint,
    read_checkpoint_config,
    read_model_type,
)
from earmark.pretrain.device import pick_device
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.objectives.config import (
    CaptioningConfig,
    ContrastiveConfig,
    ObjectiveConfig,
    TagsConfig,
    TagsParallelConfig,
)
from earmark.pretrain.objectives.targets import objective_parts


def capabilities(config: ObjectiveConfig) -> tuple[str, ...]:
    """Return of "embed", "label", "search" and "describe" what an objective has learnt."""
    parts = objective_parts(config)
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
    return not read_model_type(folder) and "label" in capabilities(
        read_checkpoint_config(folder).objective
    )


def capability_error(
    wanted: str, folder: Path, config: ObjectiveConfig, kinds: Sequence[str]
) -> ConfigError:
    """Return the error of a checkpoint that has not learnt what is wanted of it.

    Args:
        wanted: such as "label".
        folder: the checkpoint.
        config: of its objective.
        kinds: the objectives that would have taught it.
    """
    said = " + ".join(str(part.__struct_config__.tag) for part in objective_parts(config))
    return ConfigError(
        f"{folder} was pre-trained with the objective {said} and cannot {wanted}: it can "
        f"{', '.join(capabilities(config))}. To {wanted}, take a checkpoint with objective.kind = "
        f"{' or '.join(map(repr, kinds))}, or 'multitask' with such a part."
    )


def load_encoder(path: str | Path, device: str = "cpu") -> Encoder:
    """Return an encoder in evaluation mode.

    Args:
        path: a checkpoint, a pretrain stage's folder, a workspace (its latest run is taken), the
            folder of a published Zipformer, or one that `transformers` wrote an audio model to.
        device: "cpu", "cuda", "cuda:1", "mps", or "auto": an accelerator where there is one.

    Raises:
        ConfigError: there is none, it cannot be read, or there is no such device here.
    """
    return _read_encoder(path).to(pick_device(device, setting="device"))


def _read_encoder(path: str | Path) -> Encoder:
    folder = find_checkpoint(Path(path))
    model_type = read_model_type(folder)
    if not model_type:
        return load_checkpoint(folder).encoder
    if model_type == "zipformer":
        from earmark.pretrain.encoders.zipformer.published import load_published

        encoder, _ = load_published(folder)
        return encoder
    from earmark.pretrain.build import build_encoder

    return build_encoder(HuggingFaceConfig(model=str(folder))).eval()


def load_trained_checkpoint(path: str | Path, device: str = "cpu") -> tuple[Path, Checkpoint]:
    """Return the folder and the whole of a checkpoint of earmark, its objective included.

    Raises:
        ConfigError: as `load_encoder`, or the folder is a published encoder, which has none.
    """
    folder = find_checkpoint(Path(path))
    if model_type := read_model_type(folder):
        raise ConfigError(
            f"{folder} is a bare {model_type} encoder: it gives vectors (earmark embed), but has "
            "learnt neither tags nor texts. Take a checkpoint that `earmark pretrain` wrote."
        )
    where = pick_device(device, setting="device")
    checkpoint = load_checkpoint(folder)
    checkpoint.encoder.to(where)
    checkpoint.objective.to(where)
    return folder, checkpoint
