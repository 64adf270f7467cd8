"""Gather the rows of all processes into one tensor, with gradients that flow back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Shaped
from torch import Tensor, distributed


@dataclass(frozen=True)
class RowCounts:
    """How many rows each process has, by rank, and which rank this one is."""

    counts: tuple[int, ...]
    rank: int

    @property
    def first(self) -> int:
        """Where this process's rows begin among those of all."""
        return sum(self.counts[: self.rank])


def exchange_row_counts(rows: int, device: torch.device) -> RowCounts:
    """Return who has how many rows; a process group is asked only where there is one."""
    if not distributed.is_available() or not distributed.is_initialized():
        return RowCounts((rows,), 0)
    own = torch.tensor([rows], device=device)
    counts = [torch.zeros_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(counts, own)
    # Read back in one go: each number by itself would stop the accelerator once more.
    return RowCounts(tuple(torch.cat(counts).tolist()), distributed.get_rank())


def all_gather_rows(rows: Shaped[Tensor, "own ..."], by: RowCounts) -> Shaped[Tensor, "all ..."]:
    """Return the rows of all processes in the order of their ranks; `by` says how many each has.

    On the way back each process gets the gradients that the losses of all processes have for its
    rows, summed. So where each process multiplies its loss by its share of the clips before it
    calls `backward`, and parameter gradients are summed over processes, they are those of the
    joined batch in one process.
    """
    if len(by.counts) == 1:
        return rows
    return _AllGather.apply(rows, by)  # pyright: ignore[reportReturnType]


@final
class _AllGather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, by: RowCounts) -> Tensor:
        ctx.by = by
        longest = max(by.counts)
        # Collectives want the same shape from all.
        padded = rows.new_zeros(longest, *rows.shape[1:])
        padded[: len(rows)] = rows
        blocks = [torch.empty_like(padded) for _ in by.counts]
        distributed.all_gather(blocks, padded)
        return torch.cat([block[:count] for block, count in zip(blocks, by.counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        by: RowCounts = ctx.by
        summed = gradients[0].contiguous().clone()
        distributed.all_reduce(summed)
        return summed[by.first : by.first + by.counts[by.rank]], None
