import re
from xml.etree import ElementTree

import numpy as np
import pytest

from earmark.annotate.audit.results import MapPoint
from earmark.annotate.vocabulary.stats import CurvePoint
from earmark.report import plots, svg, tag_map
from earmark.report.audit import read_audit
from earmark.report.run import load_run
from earmark.report.vocabulary import read_vocabulary

HOSTILE = "<b>$x^2$</b> & 録音"


def parsed(svg: str) -> ElementTree.Element:
    # In HTML the prefix xlink needs no declaration, in XML it does.
    return ElementTree.fromstring(svg.replace("<svg ", '<svg xmlns:xlink="x" ', 1))


def map_point(name: str, x: float, y: float, df: int = 9, domain: str = "music") -> MapPoint:
    return MapPoint(name=name, kind="tag" if df else "class", x=x, y=y, df=df, domain=domain)


@pytest.fixture(scope="module")
def drawings(whole) -> dict[str, str]:
    tags, audit = read_vocabulary(load_run(whole)), read_audit(load_run(whole))
    assert tags
    assert tags.facts
    assert audit
    return {
        "rank": plots.plot_rank_frequency(tags),
        "growth": plots.plot_growth(tags.facts.curve, tags.size),
        "agreement": plots.plot_agreement(audit.compared),
        "map": tag_map.draw_tag_map(audit.points),
    }


@pytest.mark.parametrize("name", ["rank", "growth", "agreement", "map"])
def test_a_drawing_is_wellformed_named_and_small(drawings, name):
    root = parsed(drawings[name])
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert len(drawings[name]) < 60_000
    for stand_in in svg.VARIABLES:
        assert stand_in not in drawings[name]


def test_a_long_tail_is_drawn_with_few_points():
    ranks = plots.spaced_ranks(60_000)
    assert (ranks[0], ranks[-1]) == (1, 60_000)
    assert len(ranks) <= plots.MAX_RANKS
    assert np.all(np.diff(ranks) > 0)
    np.testing.assert_array_equal(plots.spaced_ranks(3), [1, 2, 3])
    assert len(plots.spaced_ranks(0)) == 0


def test_the_curve_marks_what_was_chosen_and_those_of_the_paper_s_sizes_that_it_reaches():
    curve = [
        CurvePoint(size=size, positives=2, clips=1.0, uses=1.0, tags_a_clip=1.0)
        for size in (1, 100, 900)
    ]
    texts = [element.text for element in parsed(plots.plot_growth(curve, 100)).iter()]
    assert "chosen: 100" in texts
    assert "the paper's sizes" in texts
    short = [element.text for element in parsed(plots.plot_growth(curve[:2], 100)).iter()]
    assert "the paper's sizes" not in short


def test_a_map_names_every_point_and_keeps_names_apart():
    rng = np.random.default_rng(5)
    points = [map_point(f"tag {n}", *rng.normal(0, 1, 2), df=500 - n) for n in range(300)]
    svg = tag_map.draw_tag_map([*points, map_point("Dog", 0.0, 0.0, df=0)])
    titles = re.findall(r"<title>(.*?)</title>", svg)
    assert set(titles) == {f"tag {n}: {500 - n}" for n in range(300)} | {"Dog (AudioSet)"}
    written = list(tag_map.place_labels(tag_map.place_points(points)))
    assert 20 < len(written) <= tag_map.MAX_LABELS
    boxes = [(x, y, x + tag_map.CHARACTER_WIDTH * len(name)) for name, x, y in written]
    for place, (left, base, right) in enumerate(boxes):
        for other_left, other_base, other_right in boxes[:place]:
            apart = right <= other_left or other_right <= left
            assert apart or abs(base - other_base) >= tag_map.LABEL_HEIGHT * 0.99


def test_the_most_frequent_tags_come_first_and_classes_last():
    points = [map_point("Dog", 0, 0, df=0), *(map_point(f"tag {n}", n, n, df=n) for n in (1, 3, 2))]
    assert [point.name for point in tag_map.sort_by_frequency(points)] == [
        *("tag 3", "tag 2", "tag 1"),
        "Dog",
    ]


def test_names_on_a_map_are_text_and_odd_places_are_drawn():
    alone = tag_map.draw_tag_map([map_point(HOSTILE, 3.0, 3.0, domain="")])
    texts = {element.text for element in parsed(alone).iter()}
    assert {HOSTILE, f"{HOSTILE}: 9"} <= texts
    assert 'class="sound"><use' in alone
    assert tag_map.tag_map_key([map_point("a", 0, 0)]) == (("music", "music", 1),)
