import re
from xml.etree import ElementTree

import numpy as np
import pytest

from earmark.records import Score
from earmark.report import plots, svg
from earmark.report.scores import ENCODER_NAMES, ProbeScores
from earmark.report.training import Curve, TrainingRun

TASK = "<b>$x^2$</b> & 録音"


def curve(points: int) -> Curve:
    return Curve(np.arange(1.0, points + 1), np.linspace(1.0, 0.05, points))


def score(encoder: str) -> Score:
    return Score(
        task=TASK,
        encoder=encoder,
        metric="mAP",
        value=0.5,
        low=0.4,
        high=0.6,
        chance=0.1,
        train=1,
        test=1,
        classes=2,
        seed=0,
    )


DRAWINGS = {
    "loss": lambda: plots.plot_loss(TrainingRun(curve(400), curve(4), 400)),
    "one step": lambda: plots.plot_loss(TrainingRun(curve(1), curve(0), 1)),
    "parts": lambda: plots.plot_loss_parts(
        TrainingRun(curve(9), curve(4), 9, parts={f"part {n}": curve(9) for n in range(5)})
    ),
    "score": lambda: plots.plot_score(TrainingRun(curve(9), curve(4), 9, scores={"map": curve(4)})),
    "probes": lambda: plots.plot_probes(
        [ProbeScores(TASK, (score("trained"), score("another")), ())], "mAP", ENCODER_NAMES
    ),
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_plot_is_wellformed_and_takes_its_colours_from_the_page(name: str):
    drawn = DRAWINGS[name]()
    for stand_in in svg.VARIABLES:
        assert stand_in not in drawn
    assert "var(--" in drawn
    assert "currentColor" in drawn
    # In HTML the prefix xlink needs no declaration, in XML it does.
    root = ElementTree.fromstring(drawn.replace("<svg ", '<svg xmlns:xlink="x" ', 1))
    assert root.get("role") == "img"
    assert root.get("aria-label")
    used = set(re.findall(r"url\(#([^)]+)\)", drawn))
    assert used <= {element.get("id") for element in root.iter()}


@pytest.mark.parametrize("name", DRAWINGS)
def test_equal_data_gives_equal_bytes(name: str):
    assert DRAWINGS[name]() == DRAWINGS[name]()


def test_names_in_a_plot_are_text_and_nothing_else():
    root = ElementTree.fromstring(DRAWINGS["probes"]().replace("<svg ", '<svg xmlns:xlink="x" ', 1))
    assert TASK in {(element.text or "").strip() for element in root.iter()}


def test_the_running_mean_is_centred_and_keeps_a_constant():
    constant = Curve(np.arange(100.0), np.full(100, 3.0))
    np.testing.assert_allclose(plots.running_mean(constant).values, 3.0)
    straight = Curve(np.arange(100.0), np.arange(100.0))
    np.testing.assert_allclose(
        plots.running_mean(straight).values[10:-10], np.arange(10, 90), atol=0.51
    )
