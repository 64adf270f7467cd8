"""Write the report: one self-contained HTML page a workspace."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earmark.io import write_text
from earmark.report import plots
from earmark.report.audit import AuditSection, read_audit
from earmark.report.confusions import read_confusions
from earmark.report.funnel import read_funnel
from earmark.report.plots import plot_few_shot
from earmark.report.render import render, svg_markup
from earmark.report.run import STAGE_PURPOSES, RunData, load_run, read_provenance
from earmark.report.samples import read_samples
from earmark.report.scores import (
    ENCODER_NAMES,
    FewShotScores,
    ProbeScores,
    read_few_shot,
    read_leaks,
    read_other_scores,
    read_probe_scores,
)
from earmark.report.summary import run_headline
from earmark.report.tag_explorer import build_tag_explorer
from earmark.report.tag_map import draw_tag_map, tag_map_key
from earmark.report.training import TrainingRun, read_training
from earmark.report.vocabulary import VocabularySection, read_vocabulary
from earmark.workspace import Workspace


def write_report(workspace: Workspace, path: Path | None = None) -> Path:
    """Write the report of the latest run to `path` (default: report.html in the workspace).

    A run that has not gone the whole way gives a page of what there is and says what comes next.

    Raises:
        ConfigError: nothing has been run in the workspace.
    """
    found = load_run(workspace)
    target = path or workspace.root / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, render_page(found))
    return target


def render_page(found: RunData) -> str:
    """Return the page of a run."""
    return render("page.html.j2", _content(found))


def _content(found: RunData) -> dict[str, Any]:
    from markupsafe import Markup

    tags, audit = read_vocabulary(found), read_audit(found)
    training, probes = read_training(found), read_probe_scores(found)
    drawn = {**_draw_tags(tags), **_draw_audit(audit), **_draw_training(training)}
    return {
        "name": found.root.resolve().name,
        "root": shlex.quote(str(found.root)),
        "headline": run_headline(found, tags, training, probes),
        "next_stage": found.next_stage,
        "purpose": STAGE_PURPOSES,
        "funnel": read_funnel(found),
        "tags": tags,
        "explored": build_tag_explorer(found, [row.entry.tag for row in tags.listed])
        if tags
        else None,
        "audit": audit,
        "map_key": tag_map_key(audit.points) if audit else (),
        "samples": read_samples(found),
        "training": training,
        "probes": probes,
        "others": read_other_scores(found),
        "shots": _draw_shots(read_few_shot(found)),
        "confusions": read_confusions(found),
        "leaks": read_leaks(found),
        "scoreboard": [probe for probe in probes if probe.measured],
        "making": read_provenance(found),
        "plots": svg_markup(drawn),
        "probe_plots": [(metric, Markup(svg)) for metric, svg in _draw_probes(probes)],
    }


def _draw_tags(tags: VocabularySection | None) -> dict[str, str]:
    if tags is None:
        return {}
    drawn = {"rank_frequency": plots.plot_rank_frequency(tags)} if tags.frequencies else {}
    if tags.facts is None or not tags.facts.curve:
        return drawn
    return drawn | {"growth": plots.plot_growth(tags.facts.curve, tags.size)}


def _draw_audit(audit: AuditSection | None) -> dict[str, str]:
    if audit is None:
        return {}
    drawn = {"agreement": plots.plot_agreement(audit.compared)} if audit.compared else {}
    return drawn | {"tag_map": draw_tag_map(audit.points)} if audit.points else drawn


def _draw_training(training: TrainingRun | None) -> dict[str, str]:
    if training is None:
        return {}
    drawn = {"loss": plots.plot_loss(training)}
    if training.parts:
        drawn["parts"] = plots.plot_loss_parts(training)
    return drawn | {"score": plots.plot_score(training)} if training.drawn else drawn


def _draw_shots(tasks: Sequence[FewShotScores]) -> list[tuple[FewShotScores, Any]]:
    drawn = {
        str(at): plot_few_shot(row, f"shots-{at}") for at, row in enumerate(tasks) if row.scores
    }
    elements = svg_markup(drawn)
    return [(row, elements.get(str(at))) for at, row in enumerate(tasks)]


def _draw_probes(probes: Sequence[ProbeScores]) -> list[tuple[str, str]]:
    """Draw one plot a metric: an accuracy and a mAP do not share an axis."""
    by_metric = dict[str, list[ProbeScores]]()
    for probe in probes:
        if probe.measured:
            by_metric.setdefault(probe.measured[0].metric, []).append(probe)
    return [
        (metric, plots.plot_probes(rows, metric, ENCODER_NAMES))
        for metric, rows in by_metric.items()
    ]
