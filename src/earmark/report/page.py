"""One HTML page a workspace: self-contained, and unable to ask the network for anything.

The page's content security policy forbids every load but data URIs, and every script but the one
that is part of it. Captions, names and labels come from outside and are always escaped.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from earmark.workspace import Workspace, write_text

from . import audit_plots, numbers, plots, tag_plots
from .audit import Audit, read_audit
from .funnel import read_funnel
from .headline import read_headline
from .making import read_making
from .probes import ENCODERS, Probe, read_probes
from .samples import read_samples
from .stages import PURPOSE, Finished, finished
from .tag_map import draw_map, map_key
from .tags import TagFacts, read_tags
from .training import Training, read_training


def write_report(workspace: Workspace, path: Path | None = None) -> Path:
    """Write the report of the latest run to `path` (default: report.html in the workspace).

    A run that has not gone the whole way gives a page of what there is and says what comes next.

    Raises:
        ConfigError: nothing has been run in the workspace.
    """
    found = finished(workspace)
    target = path or workspace.root / "report.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, render(found))
    return target


def render(found: Finished) -> str:
    """Return the page of a run."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("earmark.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(numbers.FILTERS)
    return environment.get_template("page.html.j2").render(_content(found))


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
        "audit": audit,
        "map_key": map_key(audit.points) if audit else (),
        "samples": read_samples(found),
        "training": training,
        "probes": probes,
        "scoreboard": [probe for probe in probes if probe.measured],
        "encoders": ENCODERS,
        "making": read_making(found),
        "plots": {name: Markup(svg) for name, svg in drawn.items()},
        "probe_plots": [(metric, Markup(svg)) for metric, svg in _draw_probes(probes)],
        "style": Markup(_asset("style.css")),
        **_script(),
    }


def _script() -> dict[str, Any]:
    """Return the page's script, and the digest by which the policy knows it."""
    from markupsafe import Markup

    script = _asset("script.js")
    digest = hashlib.sha256(script.encode()).digest()
    return {"script": Markup(script), "script_hash": base64.b64encode(digest).decode()}


def _draw_tags(tags: TagFacts | None) -> dict[str, str]:
    if tags is None:
        return {}
    drawn = {"rank_frequency": tag_plots.rank_frequency(tags)} if tags.frequencies else {}
    if tags.facts is None or not tags.facts.curve:
        return drawn
    return drawn | {"growth": tag_plots.growth(tags.facts.curve, tags.size)}


def _draw_audit(audit: Audit | None) -> dict[str, str]:
    if audit is None:
        return {}
    drawn = {"agreement": audit_plots.agreement(audit.compared)} if audit.compared else {}
    return drawn | {"tag_map": draw_map(audit.points)} if audit.points else drawn


def _draw_training(training: Training | None) -> dict[str, str]:
    if training is None:
        return {}
    drawn = {"loss": plots.loss(training)}
    if training.parts:
        drawn["parts"] = plots.parts(training)
    return drawn | {"score": plots.score(training)} if training.drawn else drawn


def _draw_probes(probes: Sequence[Probe]) -> list[tuple[str, str]]:
    """Draw one plot a metric: an accuracy and a mAP do not share an axis."""
    by_metric = dict[str, list[Probe]]()
    for probe in probes:
        if probe.measured:
            by_metric.setdefault(probe.measured[0].metric, []).append(probe)
    return [(metric, plots.probes(rows, metric, ENCODERS)) for metric, rows in by_metric.items()]


def _asset(name: str) -> str:
    return (resources.files("earmark.report") / name).read_text("utf-8")
