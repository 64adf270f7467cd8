"""What verbs that take audio files do with those that cannot be decoded."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from earmark.pretrain.use.decoding import Block, Undecoded


def decoded(files: Sequence[Path], sample_rate: int, lost: list[Undecoded]) -> Iterator[Block]:
    """Yield the files that can be decoded, block by block.

    Each other one is told at once on stderr, and added to `lost`.

    Raises:
        ValueError: there was none that can be decoded.
    """
    from earmark.pretrain.use.decoding import decode

    for block in decode(files, sample_rate):
        for each in block.lost:
            print(f"earmark: {each.file}: {each.reason}: {each.detail}", file=sys.stderr)
        lost += block.lost
        if block.files:
            yield block
    if len(lost) == len(files):
        raise ValueError(f"none of the files can be decoded ({_reasons(lost)}).")


def settle(lost: Sequence[Undecoded], of: int) -> None:
    """End with exit code 1 where some of the files were lost, and say how many and why."""
    if lost:
        print(f"earmark: {len(lost)} of {of} files lost: {_reasons(lost)}.", file=sys.stderr)
        raise typer.Exit(1)


def _reasons(lost: Sequence[Undecoded]) -> str:
    counts = Counter(each.reason for each in lost).most_common()
    return ", ".join(f"{count} {reason}" for reason, count in counts)
