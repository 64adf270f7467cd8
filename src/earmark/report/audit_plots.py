"""The plot of how far tags agree with people's labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from earmark.report.audit import MATCHES, Compared
from earmark.report.svg import BLUE, GREEN, ORANGE, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS = {"exact": (BLUE, "o"), "lemma": (ORANGE, "s"), "semantic": (GREEN, "D")}
LONGEST_NAME = 26
"""Characters of a name beside the axis; the table has all of it."""


def agreement(compared: Sequence[Compared]) -> str:
    """Draw F1 with its 95 % interval for each label field, by the way to match."""
    height_in = 1.1 + 0.55 * len(compared)
    title = "F1 of tags against people's labels, with 95 % intervals"
    with axes_of("agreement", title, height_in) as (axes, take):
        for place, field in enumerate(compared):
            _dots(axes, place, field)
        for match in _used(compared):
            colour, marker = MARKS[match]
            axes.plot([], [], marker, color=colour, label=match)
        axes.set_yticks(range(len(compared)), [_shortened(field.name) for field in compared])
        axes.set(xlim=(0, 1.005), ylim=(len(compared) - 0.5, -0.5), xlabel="F1")
        axes.grid(visible=False, axis="y")
        axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, columnspacing=1.2)
    return take()


def _dots(axes: Axes, place: int, field: Compared) -> None:
    for row in field.whole:
        if math.isnan(row.f1):
            continue
        colour, marker = MARKS[row.match]
        height = place + 0.22 * (MATCHES.index(row.match) - 1)
        axes.plot([row.f1_low, row.f1_high], [height] * 2, color=colour, linewidth=2)
        axes.plot(row.f1, height, marker, color=colour, markersize=6)


def _used(compared: Sequence[Compared]) -> list[str]:
    used = {row.match for field in compared for row in field.whole}
    return [match for match in MATCHES if match in used]


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
