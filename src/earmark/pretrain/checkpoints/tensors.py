"""Named tensors on the disk, as safetensors: loading never runs code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from earmark.config import ConfigError


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors; two names of the same memory are written twice."""
    written: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        whole = tensor.detach().cpu().contiguous()
        # safetensors refuses tied weights; a file that names both fits the module strictly.
        place = whole.untyped_storage().data_ptr()
        written[name] = whole.clone() if place in seen else whole
        seen.add(place)
    save_file(written, path)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read named tensors onto the CPU.

    Raises:
        ConfigError: the file is missing or damaged.
    """
    try:
        return load_file(path)
    except FileNotFoundError:
        raise ConfigError(
            f"{path.parent} is not a whole checkpoint: no {path.name}. "
            "Copy the checkpoint again from where it came, all files of it."
        ) from None
    except (OSError, SafetensorError) as error:
        raise ConfigError(
            f"{path} cannot be read as safetensors: {error}. It is damaged: copy the "
            "checkpoint again from where it came, or take another of its run."
        ) from None


def fill(module: nn.Module, path: Path) -> None:
    """Give a module the weights of a file: all of them, and no others.

    Raises:
        ConfigError: a name or a shape does not agree; the message says which.
    """
    given, wanted = read_tensors(path), module.state_dict()
    problems = [f"{name} is missing" for name in wanted if name not in given]
    problems += [f"{name} belongs to nothing" for name in given if name not in wanted]
    problems += [
        f"{name} is {tuple(given[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in given and given[name].shape != wanted[name].shape
    ]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise ConfigError(
            f"{path} does not fit a {type(module).__name__}: {'; '.join(problems[:3])}{more}. "
            "Its config.json describes another model: keep both files of one run together."
        )
    module.load_state_dict(given, strict=True)
