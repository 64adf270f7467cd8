"""Write the report: one self-contained HTML page a workspace."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earmark.io import write_text
from earmark.report import plots
from earmark.report.audit import Audit, read_audit
from earmark.report.confusions import read_confusions
from earmark.report.funnel import read_funnel
from earmark.report.plots import draw_shots
from earmark.report.render import drawings, render
from earmark.report.run import PURPOSE, Finished, finished, read_making
from earmark.report.samples import read_samples
from earmark.report.scores import (
    ENCODERS,
    Probe,
    Shots,
    read_leaks,
    read_others,
    read_probes,
    read_shots,
)
from earmark.report.summary import read_headline
from earmark.report.tag_explorer import explore
from earmark.report.tag_map import draw_map, map_key
from earmark.report.training import Training, read_training
from earmark.report.vocabulary import TagFacts, read_tags
from earmark.workspace import Workspace


def write_report(workspace: Workspace, path: Path | None = None) -> Path:
    """Write the report of the latest run to `path` (default: report.html in the workspace).

    A run that has not gone the whole way gives a page of what there is and says what comes next.

    Raises:
        ConfigError: nothing has been run in the workspace.
    """
    found = finished(workspace)
    target = path or workspace.root / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, page_of(found))
    return target


def page_of(found: Finished) -> str:
    """Return the page of a run."""
    return render("page.html.j2", _content(found))


def _content(found: Finished) -> dict[str, Any]:
    from markupsafe import Markup

    tags, audit = read_tags(found), read_audit(found)
    training, probes = read_training(found), read_probes(found)
    drawn = {**_draw_tags(tags), **_draw_audit(audit), **_draw_training(training)}
    return {
        "name": found.root.resolve().name,
        "root": shlex.quote(str(found.root)),
        "headline": read_headline(found, tags, training, probes),
        "next_stage": found.next_stage,
        "purpose": PURPOSE,
        "funnel": read_funnel(found),
        "tags": tags,
        "explored": explore(found, [row.entry.tag for row in tags.listed]) if tags else None,
        "audit": audit,
        "map_key": map_key(audit.points) if audit else (),
        "samples": read_samples(found),
        "training": training,
        "probes": probes,
        "others": read_others(found),
        "shots": _draw_shots(read_shots(found)),
        "confusions": read_confusions(found),
        "leaks": read_leaks(found),
        "scoreboard": [probe for probe in probes if probe.measured],
        "making": read_making(found),
        "plots": drawings(drawn),
        "probe_plots": [(metric, Markup(svg)) for metric, svg in _draw_probes(probes)],
    }


def _draw_tags(tags: TagFacts | None) -> dict[str, str]:
    if tags is None:
        return {}
    drawn = {"rank_frequency": plots.rank_frequency(tags)} if tags.frequencies else {}
    if tags.facts is None or not tags.facts.curve:
        return drawn
    return drawn | {"growth": plots.growth(tags.facts.curve, tags.size)}


def _draw_audit(audit: Audit | None) -> dict[str, str]:
    if audit is None:
        return {}
    drawn = {"agreement": plots.agreement(audit.compared)} if audit.compared else {}
    return drawn | {"tag_map": draw_map(audit.points)} if audit.points else drawn


def _draw_training(training: Training | None) -> dict[str, str]:
    if training is None:
        return {}
    drawn = {"loss": plots.loss(training)}
    if training.parts:
        drawn["parts"] = plots.parts(training)
    return drawn | {"score": plots.score(training)} if training.drawn else drawn


def _draw_shots(tasks: Sequence[Shots]) -> list[tuple[Shots, Any]]:
    drawn = {str(at): draw_shots(row, f"shots-{at}") for at, row in enumerate(tasks) if row.scores}
    elements = drawings(drawn)
    return [(row, elements.get(str(at))) for at, row in enumerate(tasks)]


def _draw_probes(probes: Sequence[Probe]) -> list[tuple[str, str]]:
    """Draw one plot a metric: an accuracy and a mAP do not share an axis."""
    by_metric = dict[str, list[Probe]]()
    for probe in probes:
        if probe.measured:
            by_metric.setdefault(probe.measured[0].metric, []).append(probe)
    return [(metric, plots.probes(rows, metric, ENCODERS)) for metric, rows in by_metric.items()]
