"""The page of a study: its question, what its intervals decide, and where they decide nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from earmark.io import write_text
from earmark.report.formatting import PROBES
from earmark.report.render import drawings, render
from earmark.report.scores import ENCODERS, TRAINED
from earmark.report.study.heat_map import HeatMap, heading, heat_map
from earmark.report.study.model import Found
from earmark.report.study.plots import (
    MOST_CURVES,
    MOST_DIFFERENCES,
    Curves,
    forests,
    number_curves,
    shot_curves,
)
from earmark.report.study.tables import axis_tables, costs, folders
from earmark.report.study.verdicts import arm_verdicts, by_chance, read_headline, thin_tasks
from earmark.study.results import Study
from earmark.workspace import versions

BASELINES = {name: called for name, called in ENCODERS.items() if name != TRAINED}


def write_study_page(study: Study, path: Path, *, workspace: Path | None = None) -> Path:
    """Write the page of a study to `path` and return it.

    Equal studies give equal bytes.

    Args:
        study: what was found.
        path: of the page; its folder is made.
        workspace: the root under which the runs' folders lie, to link them from the page.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, render("study/page.html.j2", _content(Found(study), path, workspace)))
    return path


def _content(found: Found, path: Path, workspace: Path | None) -> dict[str, Any]:
    linear, others = _heat_maps(found)
    along, by_shots = number_curves(found), shot_curves(found)
    axes = axis_tables(found)
    differences = [(curves, _drawn(curves)) for curves in forests(axes)]
    return {
        "name": found.study.design.name,
        "headline": read_headline(found),
        "scoreboard": (),
        "design": found.study.design,
        "base": found.base,
        "verdicts": arm_verdicts(found),
        "intervals": found.intervals,
        "by_chance": by_chance,
        "map": linear,
        "other_maps": others,
        "heading": partial(heading, found),
        "told_seeds": found.told_seeds,
        "axes": list(zip(axes, differences, strict=True)),
        "most_drawn": MOST_DIFFERENCES,
        "most_curves": MOST_CURVES,
        "curves": [(curves, _drawn(curves)) for curves in along],
        "shots": (by_shots, _drawn(by_shots)) if by_shots else None,
        "costs": costs(found),
        "failed": found.failed,
        "folders": folders(found, workspace, path),
        "thin": thin_tasks(found),
        "version": versions().get("earmark", ""),
    }


def _heat_maps(found: Found) -> tuple[HeatMap | None, list[HeatMap]]:
    """Return the map of linear probes, and those of whatever else was asked."""
    probes = dict.fromkeys([*PROBES, *(measure.probe for measure in found.measures)])
    maps = {probe: heat_map(found, probe, BASELINES) for probe in probes}
    return maps.pop("linear"), [found for found in maps.values() if found]


def _drawn(curves: Curves) -> list[tuple[str, Any]]:
    """Return the small drawings as (title, element)."""
    elements = drawings({str(at): svg for at, (_, svg) in enumerate(curves.drawn)})
    return [(title, elements[str(at)]) for at, (title, _) in enumerate(curves.drawn)]
