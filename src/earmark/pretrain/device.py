"""Where the numbers are computed, and how wide they are."""

from __future__ import annotations

import torch

from earmark.config import ConfigError


def pick_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is an accelerator where there is one, else the CPU.

    Raises:
        ConfigError: there is no such device here.
    """
    if name == "auto":
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f'pretrain.device = {name!r} cannot be used here: {reason} Use "auto" or "cpu".'
        ) from None
    return device


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return a context that computes in bfloat16 where `precision` asks for it.

    "auto" means bfloat16 on a CUDA device that has it in hardware, and float32 elsewhere: on CPUs
    it gains little and rounds much.
    """
    fits = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    narrow = precision == "bfloat16" or (precision == "auto" and fits)
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=narrow)
