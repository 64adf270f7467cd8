"""The rank of this process, as torchrun sets it. Free of torch.

    torchrun --nproc-per-node 8 -m earmark pretrain ...

starts the same command once a device, each with RANK, WORLD_SIZE and LOCAL_RANK in its environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from earmark.config import ConfigError


@dataclass(frozen=True)
class World:
    """One process among `size`: `rank` among all of them, `local_rank` on its own machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Whether this is the process that writes files and shows progress."""
        return self.rank == 0


def world_from_environment(environment: Mapping[str, str] | None = None) -> World:
    """Return what torchrun has set, or a world of one where it did not start this process.

    Args:
        environment: instead of the process's own.

    Raises:
        ConfigError: a variable is missing beside the others, or is no number in range.
    """
    given = os.environ if environment is None else environment
    if "WORLD_SIZE" not in given:
        return World()
    size, rank, local_rank = (
        _read_number(given, name) for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK")
    )
    if rank >= size:
        raise ConfigError(f"RANK = {rank} should be below WORLD_SIZE = {size}. {TORCHRUN_HINT}")
    return World(rank, size, local_rank)


TORCHRUN_HINT = "Start the processes with torchrun, or unset WORLD_SIZE to train with one."


def _read_number(environment: Mapping[str, str], name: str) -> int:
    value = environment.get(name, "")
    if not value.isdecimal():
        raise ConfigError(
            f"WORLD_SIZE is set, but {name} = {value!r} is not a number. {TORCHRUN_HINT}"
        )
    return int(value)
