"""The page as a whole: self-contained, escaped, accessible, the same twice, and never too much."""

import base64
import hashlib
import io
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest
import soundfile

from earmark.config import ConfigError
from earmark.io import write_text
from earmark.report import write_report
from earmark.report.run import OPTIONAL_STAGES, STAGE_PURPOSES
from earmark.workspace import Workspace

LOADING = ("src", "srcset", "href", "xlink:href", "poster", "data", "action", "background")

ORDER = [name for name in STAGE_PURPOSES if name not in OPTIONAL_STAGES]


class Elements(HTMLParser):
    """Collects (tag, attributes), the text, and the text of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def elements(page) -> Elements:
    return Elements(page)


def test_the_page_lies_in_the_workspace_or_where_asked_and_is_the_same_twice(
    whole, page_path, page, tmp_path
):
    assert page_path == whole.root / "report.html"
    elsewhere = tmp_path / "new" / "page.html"
    assert write_report(whole, elsewhere) == elsewhere
    assert elsewhere.read_text("utf-8") == page


def test_nothing_is_loaded_from_outside(page, elements):
    for _, attributes in elements.found:
        for name in LOADING:
            assert attributes.get(name, "#").startswith(("#", "data:")), attributes
    assert "@import" not in page
    assert not re.findall(r"url\((?!#)", page)
    assert not {"iframe", "object", "embed", "base", "form"} & {tag for tag, _ in elements.found}
    assert len(page) < 5_000_000


def test_the_policy_allows_the_page_s_own_script_and_no_other(page, elements):
    (policy,) = [m["content"] for m in elements.all("meta") if "http-equiv" in m]
    assert policy.startswith("default-src 'none'")
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "connect-src" not in policy


def test_text_from_outside_stays_text(elements, hostile):
    assert elements.text.count(hostile) >= 4  # rejected id, its detail, clip name, summary
    assert "<b>bold</b>" in elements.text
    assert [script.get("type", "") for script in elements.all("script")] == ["application/json", ""]
    assert elements.all("img") == []
    assert not [a for _, a in elements.found if any(name.startswith("on") for name in a)]


def test_every_sample_can_be_heard(elements):
    players = elements.all("audio")
    assert len(players) == 9
    for player in players:
        assert player["aria-label"].startswith("Play ")
        data = base64.b64decode(player["src"].partition(",")[2])
        samples, rate = soundfile.read(io.BytesIO(data))
        assert 0.5 < len(samples) / rate < 8.3


def test_ids_are_unique_and_references_lead_somewhere(elements):
    ids = [attributes["id"] for _, attributes in elements.found if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in elements.found:
        for name in ("href", "xlink:href"):
            if attributes.get(name, "").startswith("#"):
                assert attributes[name][1:] in ids
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in ids


def test_landmarks_headings_and_scrolling_parts_serve_the_keyboard(elements):
    tags = [tag for tag, _ in elements.found]
    for landmark in ("header", "nav", "main", "footer", "h1"):
        assert landmark in tags
    assert tags.count("main") == tags.count("h1") == 1
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    for attributes in elements.all("div"):
        if "scroll" in attributes.get("class", "").split():
            assert attributes["tabindex"] == "0"
            assert attributes["aria-label"]
    plots = [svg for svg in elements.all("svg") if "aria-hidden" not in svg]
    assert len(plots) == 10
    assert all(plot["role"] == "img" and plot["aria-label"] for plot in plots)
    labelled = {label["for"] for label in elements.all("label")}
    assert {field["id"] for tag in ("input", "select") for field in elements.all(tag)} <= labelled


def test_the_numbers_stand_beside_the_plots(elements):
    text = re.sub(r"\s+", " ", elements.text)
    assert "Trained beats random weights on 4 of 4 probes" in text
    assert "0.960 0.910 – 1.000" in text  # trained on domain
    assert "not measured: too few clips a class: 1" in text
    assert "Validation: lowest 0.1501 at step 400" in text
    assert 'kind = "folder"' in text
    assert "device" not in text  # unset values are no TOML


@pytest.mark.parametrize("until", ORDER[:-1])
def test_a_run_in_progress_shows_what_there_is_and_what_comes_next(until, build, tmp_path):
    workspace = build(tmp_path / "workspace", until, clips=12)
    found = Elements(write_report(workspace).read_text("utf-8"))
    following = ORDER[ORDER.index(until) + 1]
    assert f"Next comes {following}: {STAGE_PURPOSES[following]}." in found.text
    ids = {attributes.get("id") for _, attributes in found.found}
    first_shown = {
        "vocabulary": "vocabulary",
        "clips": "caption",
        "training": "pretrain",
    }
    for section, stage in first_shown.items():
        assert (section in ids) == (ORDER.index(until) >= ORDER.index(stage)), section
    # Nobody has to ask for an audit; this run did, after the vocabulary.
    assert ("audit" in ids) == (ORDER.index(until) > ORDER.index("vocabulary"))
    assert "probes" not in ids


def test_a_stage_that_is_still_being_written_is_not_read(build, tmp_path):
    workspace: Workspace = build(tmp_path / "workspace", "scan", clips=3)
    recipe, stages = workspace.latest_run()
    stages["caption"] = workspace.stage("caption", "unfinished")
    with stages["caption"].writing():
        write_text(stages["caption"].file("captions.parquet"), "half a file")
    workspace.record_run(recipe, stages)
    assert "Next comes caption" in write_report(workspace).read_text("utf-8")


def test_without_a_run_there_is_no_report(tmp_path):
    with pytest.raises(ConfigError, match="earmark run"):
        write_report(Workspace(tmp_path))
