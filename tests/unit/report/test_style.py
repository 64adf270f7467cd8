"""Contrast of the page's colours, by the formula of WCAG 2.2 (criteria 1.4.3, 1.4.11)."""

import re
from importlib import resources

import pytest

STYLE = (resources.files("earmark.report") / "style.css").read_text("utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", part)) for part in STYLE.split("@media")[:2]
)


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("colours", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["page", "surface"])
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("ink", 7.0),
        ("quiet", 4.5),
        ("accent", 4.5),
        ("good", 4.5),
        ("bad", 4.5),
        ("trained", 3.0),
        ("random", 3.0),
        ("log-mel", 3.0),
    ],
)
def test_colours_stand_out(colours, ground, name, least):
    assert contrast(colours[name], colours[ground]) >= least


def test_both_schemes_name_the_same_colours():
    assert LIGHT.keys() == DARK.keys()
