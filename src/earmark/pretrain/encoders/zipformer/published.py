"""Checkpoints of the authors' implementation (icefall, AudenAI): a folder of JSON and safetensors.

  config.json        model_type "zipformer", and the dimensions under the authors' names
  model.safetensors  the encoder, or a whole model that holds it under a prefix such as "encoder."

Every weight is taken over under another name (`published_name`) and in the same shape. The two
that the authors' implementation never reads in evaluation are dropped by name: `bypass_scale` of
a layer (that of its two bypasses are read) and the buffer `model_batch_count`. Of a whole model
only the encoder is read. Anything else that is missing, left over or of another shape is an error.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from earmark.config import ConfigError, suggest
from earmark.pretrain.encoders.config import ZipformerConfig, ZipformerShape
from earmark.pretrain.encoders.zipformer.encoder import Zipformer
from earmark.pretrain.encoders.zipformer.schedule import SCHEDULE_END_STEP

log = logging.getLogger("earmark")

WEIGHT_NAMES = (
    (r"^stem\.first\.", "encoder_embed.conv.0."),
    (r"^stem\.second\.", "encoder_embed.conv.4."),
    (r"^stem\.third\.", "encoder_embed.conv.7."),
    (r"^stem\.block\.depthwise\.", "encoder_embed.convnext.depthwise_conv."),
    (r"^stem\.block\.expand\.", "encoder_embed.convnext.pointwise_conv1."),
    (r"^stem\.block\.contract\.", "encoder_embed.convnext.pointwise_conv2."),
    (r"^stem\.project\.", "encoder_embed.out."),
    (r"^stem\.norm\.", "encoder_embed.out_norm."),
    (r"^output_downsample\.logits$", "encoder.downsample_output.bias"),
    (r"^stacks\.(\d+)\.stack\.", r"encoder.encoders.\1.encoder."),
    (r"^stacks\.(\d+)\.downsample\.logits$", r"encoder.encoders.\1.downsample.bias"),
    (r"^stacks\.(\d+)\.combine\.scale$", r"encoder.encoders.\1.out_combiner.bypass_scale"),
    (r"^stacks\.", "encoder.encoders."),
    (r"\.attention_weights\.project\.", ".self_attn_weights.in_proj."),
    (r"\.attention_weights\.project_position\.", ".self_attn_weights.linear_pos."),
    (r"\.attention([12])\.", r".self_attn\1."),
    (r"\.nonlinear_attention\.", ".nonlin_attention."),
    (r"\.convolution([12])\.", r".conv_module\1."),
    (r"\.depthwise\.", ".depthwise_conv."),
    (r"\.project_in\.", ".in_proj."),
    (r"\.project_out\.", ".out_proj."),
    (r"\.middle_bypass\.scale$", ".bypass_mid.bypass_scale"),
    (r"\.bypass\.scale$", ".bypass.bypass_scale"),
)
"""Our names to theirs: (pattern, replacement), applied in this order."""

UNUSED_WEIGHTS = re.compile(
    r"model_batch_count|encoder\.encoders\.\d+\.(encoder\.)?layers\.\d+\.bypass_scale"
)
"""What a published checkpoint holds and nothing reads."""

UNPUBLISHED_STATE = frozenset({"steps_taken"})
"""State that a published checkpoint has no name for: it counts as trained to the end."""


class PublishedConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The authors' config.json. What is given as one number holds for every stack.

    `encoder_unmasked_dim`, `warmup_batches`, `dropout`, `chunk_size` and `left_context_frames`
    shape their training or their streaming; encoding whole clips does not need them.
    """

    model_type: str
    feature_dim: int = 80
    output_downsampling_factor: int = 2
    num_encoder_layers: list[int]
    downsampling_factor: list[int]
    encoder_dim: list[int]
    feedforward_dim: list[int]
    num_heads: list[int]
    query_head_dim: list[int]
    value_head_dim: list[int]
    pos_head_dim: list[int]
    pos_dim: int
    cnn_module_kernel: list[int]
    causal: bool = False
    encoder_unmasked_dim: list[int] | None = None
    warmup_batches: float | None = None
    dropout: Any = None
    chunk_size: Any = None
    left_context_frames: Any = None


def load_published(folder: Path) -> tuple[Zipformer, ZipformerConfig]:
    """Read a published checkpoint, on the CPU, in evaluation mode, without running any of its code.

    Raises:
        ConfigError: a file is missing or damaged; the configuration is of another model or asks
            for what is not supported (streaming); or a weight is missing, unknown or of another
            shape.
    """
    config = read_published_config(folder)
    encoder = Zipformer(config)
    weights = strip_prefix(_read_weights(folder))
    encoder.load_state_dict(translate_weights(weights, encoder.state_dict()))
    return encoder.eval(), config


def read_published_config(folder: Path) -> ZipformerConfig:
    """Read the authors' config.json as settings of ours.

    Raises:
        ConfigError: it is missing or damaged, or asks for what is not supported.
    """
    path = folder / "config.json"
    raw = _read_json(folder)
    if not raw:
        raise ConfigError(
            f"{path} is missing or no JSON object: put the model's config.json there."
        )
    if raw.get("model_type") != "zipformer":
        raise ConfigError(
            f"{path}: model_type = {raw.get('model_type')!r}, but only 'zipformer' is read here."
        )
    for name in raw.keys() - set(PublishedConfig.__struct_fields__):
        hint = suggest(name, PublishedConfig.__struct_fields__)
        raise ConfigError(f"{path}: {name} is no setting of a Zipformer encoder.{hint}")
    try:
        given = msgspec.convert(raw, PublishedConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        return ZipformerConfig(shape=_to_shape(given, path), mel_bins=given.feature_dim)
    except ConfigError as error:
        where = "" if str(path) in str(error) else f"{path}: "
        raise ConfigError(f"{where}{error}") from None


def published_name(name: str) -> str:
    """Return what the authors' implementation calls a weight of ours."""
    for pattern, replacement in WEIGHT_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


def strip_prefix(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the encoder's weights of a whole model, under the names of an encoder alone.

    The prefix is whatever stands before `encoder_embed.conv.0.weight`: nothing in an encoder's
    own checkpoint, "encoder." in AudenAI's classifiers. What is beside the encoder (heads, text
    models) is counted, logged and left out. icefall's models have no prefix, and decoder and
    joiner beside.

    Raises:
        ConfigError: no encoder is in there, or more than one.
    """
    mark = "encoder_embed.conv.0.weight"
    prefixes = [name.removesuffix(mark) for name in weights if name.endswith(mark)]
    if len(prefixes) != 1:
        found = ", ".join(repr(prefix) for prefix in prefixes) or "none"
        raise ConfigError(
            f"a checkpoint should hold one encoder, whose first weight ends in {mark}; prefixes "
            f"found here: {found}."
        )
    owned = tuple(
        prefixes[0] + part for part in ("encoder_embed.", "encoder.", "model_batch_count")
    )
    if beside := sorted(name for name in weights if not name.startswith(owned)):
        log.info(
            "%d of %d weights lie beside the encoder and are not read: %s.",
            len(beside),
            len(weights),
            _list_names(beside),
        )
    return {
        name.removeprefix(prefixes[0]): weight
        for name, weight in weights.items()
        if name.startswith(owned)
    }


def translate_weights(
    weights: Mapping[str, Tensor], ours: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return published weights under our names and shaped as `ours`.

    Raises:
        ConfigError: a weight is missing, unknown or of another shape.
    """
    names = {published_name(name): name for name in ours if name not in UNPUBLISHED_STATE}
    given = {name for name in weights if not UNUSED_WEIGHTS.fullmatch(name)}
    if unknown := sorted(given - names.keys()):
        hint = suggest(unknown[0], names)
        raise ConfigError(
            f"the checkpoint holds {_list_names(unknown)}, unknown to a Zipformer.{hint}"
        )
    if missing := sorted(names.keys() - given):
        raise ConfigError(f"the checkpoint lacks {_list_names(missing)}.")
    taken = {"steps_taken": torch.tensor(SCHEDULE_END_STEP)}
    for theirs, name in names.items():
        weight, shape = weights[theirs], ours[name].shape
        # Their linear layers over channels are 1 x 1 convolutions.
        if weight.shape not in (shape, (*shape, 1, 1)):
            raise ConfigError(
                f"{theirs} has the shape {tuple(weight.shape)}, but config.json makes it "
                f"{tuple(shape)}: the weights are of another model than the configuration."
            )
        taken[name] = weight.reshape(shape).float()
    return taken


def _read_json(folder: Path) -> dict[str, Any]:
    """Return what config.json says; nothing where it is missing or no JSON object."""
    try:
        return msgspec.json.decode((folder / "config.json").read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return {}


def _read_weights(folder: Path) -> dict[str, Tensor]:
    path = folder / "model.safetensors"
    if not path.exists():
        pickles = sorted(file.name for file in folder.glob("*.pt"))
        why = (
            f" {pickles[0]} is not read: a pickle runs whatever code it holds. On a machine where "
            "you trust it, load it with torch.load(..., weights_only=True) and write its weights "
            "with safetensors.torch.save_file."
            if pickles
            else ""
        )
        raise ConfigError(f"{path} is missing: a checkpoint needs its weights.{why}")
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"{path} is damaged or no safetensors file: {error}") from None


def _to_shape(given: PublishedConfig, path: Path) -> ZipformerShape:
    if given.causal:
        raise ConfigError(
            f"{path}: causal = true: a streaming Zipformer has other convolutions and is not "
            "supported; use a checkpoint trained with causal = false."
        )
    stacks = len(given.encoder_dim)
    return ZipformerShape(
        layers=_per_stack(given.num_encoder_layers, stacks, "num_encoder_layers", path),
        dims=tuple(given.encoder_dim),
        feed_forward_dims=_per_stack(given.feedforward_dim, stacks, "feedforward_dim", path),
        heads=_per_stack(given.num_heads, stacks, "num_heads", path),
        query_head_dim=_shared_value(given.query_head_dim, "query_head_dim", path),
        value_head_dim=_shared_value(given.value_head_dim, "value_head_dim", path),
        position_head_dim=_shared_value(given.pos_head_dim, "pos_head_dim", path),
        position_dim=given.pos_dim,
        kernels=_per_stack(given.cnn_module_kernel, stacks, "cnn_module_kernel", path),
        downsampling=_per_stack(given.downsampling_factor, stacks, "downsampling_factor", path),
        output_downsampling=given.output_downsampling_factor,
    )


def _per_stack(values: list[int], stacks: int, name: str, path: Path) -> tuple[int, ...]:
    """Return one number a stack; a single one holds for all."""
    if len(values) not in (1, stacks):
        raise ConfigError(
            f"{path}: {name} has {len(values)} numbers, but encoder_dim has {stacks}: give one for "
            "each stack, or one for all."
        )
    return tuple(values * stacks if len(values) == 1 else values)


def _shared_value(values: list[int], name: str, path: Path) -> int:
    if len(set(values)) != 1:
        raise ConfigError(
            f"{path}: {name} = {values}, but it must be the same in all stacks: no published "
            "checkpoint has it otherwise."
        )
    return values[0]


def _list_names(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
