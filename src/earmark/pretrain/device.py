"""Where the numbers are computed, and how wide they are."""

from __future__ import annotations

import resource
import sys

import torch

from earmark.config import ConfigError


def pick_device(
    name: str, local_rank: int | None = None, *, setting: str = "pretrain.device"
) -> torch.device:
    """Return the device of a name; "auto" is an accelerator where there is one, else the CPU.

    Args:
        name: "auto", "cpu", "cuda", "cuda:1", "mps".
        local_rank: where several processes share this machine, which of them this is: each takes
            the accelerator of its number, unless `name` has one.
        setting: what the user calls it.

    Raises:
        ConfigError: there is no such device here.
    """
    if name == "auto":
        found: torch.device | None = torch.accelerator.current_accelerator(check_available=True)
        device = found or torch.device("cpu")
        if device.type == "cpu" or local_rank is None:
            return device
        return pick_device(device.type, local_rank, setting=setting)
    try:
        device = torch.device(name)
        if local_rank is not None and name == "cuda":
            device = torch.device("cuda", local_rank)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigError(
            f'{setting} = {name!r} cannot be used here: {reason}. Use "auto" or "cpu".'
        ) from None
    return device


def peak_memory_gib(device: torch.device) -> float:
    """Return the most memory that was held so far, GiB: of a CUDA device, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes, but bytes on macOS (getrusage(2)).
    return most / (2**30 if sys.platform == "darwin" else 2**20)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return a context that computes in bfloat16 where `precision` asks for it.

    "auto" means bfloat16 on a CUDA device that has it in hardware, and float32 elsewhere: on CPUs
    it gains little and rounds much.
    """
    fits = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    narrow = precision == "bfloat16" or (precision == "auto" and fits)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=narrow)
