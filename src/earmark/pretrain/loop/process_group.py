"""The processes of one run: how they join, and what they exchange."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

from earmark.config import ConfigError
from earmark.pretrain.loop.distributed import World

GLOO_TIMEOUT = timedelta(hours=6)
"""The first process validates and writes checkpoints alone, and the others wait that long over
gloo. Between the devices nothing takes long, so that NCCL keeps its own limit of minutes: a process
that is gone is soon found out.
"""

T = TypeVar("T")


class ProcessGroup:
    """All processes of a run, told of by one of them. Every method is called by all at once."""

    def __init__(self, world: World, group: Any = None) -> None:
        self.world = world
        self._group = group

    def gather(self, value: T) -> list[T]:
        """Return every process's `value`, in order of rank; values can be pickled."""
        if self.world.size == 1:
            return [value]
        values: list[Any] = [None] * self.world.size
        distributed.all_gather_object(values, value, group=self._group)
        return values

    def from_first(self, make: Callable[[], T]) -> T:
        """Return what `make` returns in the first process, which alone calls it, in all of them.

        Raises:
            ConfigError: that `make` raised, likewise in all of them.
        """
        made: list[Any] = [None]
        if self.world.is_first:
            try:
                made = [make()]
            except ConfigError as error:
                made = [error]
        if self.world.size > 1:
            distributed.broadcast_object_list(made, src=0, group=self._group)
        if isinstance(made[0], ConfigError):
            raise made[0]
        return made[0]

    def wait(self) -> None:
        """Wait until every process has come here."""
        if self.world.size > 1:
            distributed.barrier(group=self._group)

    def wrapped(self, module: nn.Module, *, has_unused_parameters: bool) -> nn.Module:
        """Return a module that averages its gradients over all processes, on the way back.

        Buffers are each process's own: none of them decides anything that others have to share.

        Args:
            module: what is trained.
            has_unused_parameters: whether some parameter may get no gradient from a batch. Finding
                out which takes a walk through the graph each time.
        """
        if self.world.size == 1:
            return module
        return DistributedDataParallel(
            module,
            find_unused_parameters=has_unused_parameters,
            broadcast_buffers=False,
            gradient_as_bucket_view=True,
        )


@contextlib.contextmanager
def join_process_group(world: World, device: torch.device) -> Generator[ProcessGroup]:
    """Join the other processes for the block: over NCCL on CUDA devices, over gloo elsewhere.

    A group that the caller has set up already is used, and left as it is.
    """
    if world.size == 1:
        yield ProcessGroup(world)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    ours = not distributed.is_initialized()
    if ours:
        backend = "nccl" if device.type == "cuda" else "gloo"
        distributed.init_process_group(backend, rank=world.rank, world_size=world.size)
    try:
        # What is told is small and lies on the CPU: gloo needs no device for it.
        yield ProcessGroup(world, distributed.new_group(backend="gloo", timeout=GLOO_TIMEOUT))
    finally:
        if ours:
            distributed.destroy_process_group()


@contextlib.contextmanager
def no_gradient_sync(module: nn.Module, *, wanted: bool) -> Generator[None]:
    """Keep gradients in this process where `wanted`, for a later batch to average them all."""
    if wanted and isinstance(module, DistributedDataParallel):
        with module.no_sync():
            yield
    else:
        yield
