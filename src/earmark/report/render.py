"""Render a page from its template: styles, script and filters that all pages share.

A page's content security policy forbids every load but data URIs, and every script but its own.
Captions, names and labels come from outside and are always escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from earmark.report import formatting
from earmark.report.scores import ENCODER_NAMES

if TYPE_CHECKING:
    from markupsafe import Markup

STYLES = ("style.css", "results.css")
UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
"""What could end a script element, or a line of JavaScript, and how JSON writes it otherwise."""


def render(template: str, content: Mapping[str, Any]) -> str:
    """Return the page that `template` makes of `content`, which names all that it uses."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("earmark.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        **formatting.NUMBER_FILTERS,
        **formatting.METRIC_FILTERS,
        "embed_json": embed_json,
    }
    environment.filters.update(filters)
    script = _read_asset("script.js")
    shared = {
        "encoders": ENCODER_NAMES,
        "style": Markup("".join(map(_read_asset, STYLES))),
        "script": Markup(script),
        "script_hash": base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    }
    return environment.get_template(template).render({**shared, **content})


def embed_json(value: Any) -> Markup:
    """Return JSON that may stand in a script element, whatever text it holds."""
    from markupsafe import Markup

    text = msgspec.json.encode(value).decode()
    for character, escape in UNSAFE.items():
        text = text.replace(character, escape)
    return Markup(text)


def svg_markup(drawn: Mapping[str, str]) -> dict[str, Markup]:
    """Return SVGs as elements that a template may write as they are."""
    from markupsafe import Markup

    return {name: Markup(svg) for name, svg in drawn.items()}


def _read_asset(name: str) -> str:
    return (resources.files("earmark.report") / name).read_text("utf-8")
