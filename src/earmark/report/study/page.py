"""The page of a study: its question, what its intervals decide, and where they decide nothing."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from earmark.io import write_text
from earmark.report.formatting import PROBE_NAMES
from earmark.report.render import render, svg_markup
from earmark.report.scores import ENCODER_NAMES, TRAINED
from earmark.report.study.heat_map import HeatMap, build_heat_map, measure_heading
from earmark.report.study.model import StudyModel
from earmark.report.study.plots import (
    MOST_CURVES,
    MOST_DIFFERENCES,
    SmallMultiples,
    few_shot_curves,
    forest_plots,
    number_curves,
)
from earmark.report.study.tables import arm_costs, axis_tables, run_folders
from earmark.report.study.verdicts import (
    arm_verdicts,
    expected_by_chance,
    study_headline,
    undecided_tasks,
)
from earmark.study.results import Study
from earmark.workspace import software_versions

BASELINE_NAMES = {name: called for name, called in ENCODER_NAMES.items() if name != TRAINED}


def write_study_page(study: Study, path: Path, *, workspace: Path | None = None) -> Path:
    """Write the page of a study to `path` and return it.

    Equal studies give equal bytes.

    Args:
        study: what was found.
        path: of the page; its folder is made.
        workspace: the root under which the runs' folders lie, to link them from the page.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, render("study/page.html.j2", _content(StudyModel(study), path, workspace)))
    return path


def _content(found: StudyModel, path: Path, workspace: Path | None) -> dict[str, Any]:
    linear, others = _heat_maps(found)
    along, by_shots = number_curves(found), few_shot_curves(found)
    axes = axis_tables(found)
    differences = [(curves, _markup(curves)) for curves in forest_plots(axes)]
    return {
        "name": found.study.design.name,
        "headline": study_headline(found),
        "scoreboard": (),
        "design": found.study.design,
        "base": found.base,
        "verdicts": arm_verdicts(found),
        "intervals": found.intervals,
        "by_chance": expected_by_chance,
        "map": linear,
        "other_maps": others,
        "heading": partial(measure_heading, found),
        "told_seeds": found.told_seeds,
        "axes": list(zip(axes, differences, strict=True)),
        "most_drawn": MOST_DIFFERENCES,
        "most_curves": MOST_CURVES,
        "curves": [(curves, _markup(curves)) for curves in along],
        "shots": (by_shots, _markup(by_shots)) if by_shots else None,
        "costs": arm_costs(found),
        "failed": found.failed,
        "folders": run_folders(found, workspace, path),
        "thin": undecided_tasks(found),
        "version": software_versions().get("earmark", ""),
    }


def _heat_maps(found: StudyModel) -> tuple[HeatMap | None, list[HeatMap]]:
    """Return the map of linear probes, and those of whatever else was asked."""
    probes = dict.fromkeys([*PROBE_NAMES, *(measure.probe for measure in found.measures)])
    maps = {probe: build_heat_map(found, probe, BASELINE_NAMES) for probe in probes}
    return maps.pop("linear"), [found for found in maps.values() if found]


def _markup(curves: SmallMultiples) -> list[tuple[str, Any]]:
    """Return the small drawings as (title, element)."""
    elements = svg_markup({str(at): svg for at, (_, svg) in enumerate(curves.drawn)})
    return [(title, elements[str(at)]) for at, (title, _) in enumerate(curves.drawn)]
