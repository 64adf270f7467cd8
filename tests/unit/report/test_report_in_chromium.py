"""The page in a real browser, narrow and wide, light and dark."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from earmark.annotate.vocabulary import Vocabulary

pytestmark = pytest.mark.slow

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
NARROW, WIDE = 390, 1400

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--virtual-time-budget=10000",
)

# A window is at least 500 pixels wide, a frame is not: its width is what media queries see.
FRAME = """<!doctype html><body><iframe src="copy.html" width="{width}" height="900"
  frameborder="0">
</iframe><script>onmessage = (event) => {{ document.body.dataset.probe = event.data; }};</script>"""

# Runs in a copy of the page: types into the list of tags, unfolds everything, waits for the audio,
# tells what it measured.
PROBE = """
(async () => {
  const query = document.getElementById("tag-query");
  const domain = document.getElementById("tag-domain");
  const list = document.getElementById("tag-rows");
  const filter = (text, name) => {
    query.value = text;
    query.dispatchEvent(new Event("input", { bubbles: true }));
    domain.value = name;
    domain.dispatchEvent(new Event("change", { bubbles: true }));
    const shown = [...list.rows].filter((row) => row.checkVisibility());
    return {
      tags: shown.map((row) => row.cells[1].textContent),
      domains: shown.map((row) => row.cells[4].textContent),
      count: document.getElementById("tag-count").textContent,
      open: list.closest("details").open,
    };
  };
  query.focus();
  const filtered = {
    focused: document.activeElement === query,
    folded: filter("", ""),
    none: filter("no such tag", ""),
    tag: filter("  RÉcord ", ""),
    variant: filter("s", "music"),
    all: filter("", ""),
  };
  const field = document.getElementById("explore-query");
  const options = () => [...document.querySelectorAll("#explore-found [role=option]")];
  const press = (key) =>
    field.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const type = (text) => {
    field.value = text;
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const chosen = () => document.getElementById("explore-name").textContent;
  field.focus();
  type("R");
  const offered = options().map((option) => option.firstChild.textContent);
  press("ArrowDown");
  const second = document.getElementById(field.getAttribute("aria-activedescendant"));
  const explored = {
    focused: document.activeElement === field,
    offered,
    expanded: field.getAttribute("aria-expanded"),
    second: second.firstChild.textContent,
    selected: options().filter((o) => o.getAttribute("aria-selected") === "true").length,
  };
  press("Enter");
  explored.chosen = chosen();
  explored.told = document.getElementById("explore-told").textContent;
  explored.read = [...document.querySelectorAll("[aria-live]")].map((element) => element.id);
  explored.closed = field.getAttribute("aria-expanded");
  explored.domain = document.getElementById("explore-domain").textContent;
  const near = document.querySelector("#explore-near button");
  explored.near = near.firstChild.textContent;
  near.click();
  explored.followed = chosen();
  type("no such tag");
  press("Enter");
  explored.unmatched = [options().length, chosen()];
  explored.unmatchedTold = document.getElementById("explore-told").textContent;
  press("Escape");
  type("recording");
  press("Enter");
  explored.heard = document.querySelectorAll("#explore-clips audio").length;
  for (const folded of document.querySelectorAll("details")) folded.open = true;
  const players = [...document.querySelectorAll("audio")];
  await Promise.all(players.map((player) => player.readyState > 0 || player.error ? null :
    new Promise((done) => { player.onloadedmetadata = player.onerror = done; })));
  const root = document.documentElement;
  const size = (element) => {
    const box = element.getBoundingClientRect();
    return [box.width, box.height];
  };
  parent.postMessage(JSON.stringify({
    title: document.title,
    filtered,
    explored,
    width: root.clientWidth,
    scrollWidth: root.scrollWidth,
    durations: players.map((player) => player.duration),
    plots: [...document.querySelectorAll("svg.plot")].map(size),
    cards: [...document.querySelectorAll(".card")].map(size),
    wide: [...document.querySelectorAll("main *")].filter((element) =>
      element.getBoundingClientRect().right > root.clientWidth + 1 && !element.closest(".scroll"))
      .map((element) => element.outerHTML.slice(0, 80)),
  }), "*");
})();
"""

# Runs in a copy of the study's page: unfolds everything by its summaries, tells what it measured.
STUDY_PROBE = """
const folds = [...document.querySelectorAll("details")];
const closed = folds.filter((fold) => !fold.open).length;
for (const fold of folds) fold.querySelector("summary").click();
const root = document.documentElement;
parent.postMessage(JSON.stringify({
  closed,
  folds: folds.length,
  open: folds.filter((fold) => fold.open).length,
  reached: [...document.querySelectorAll("summary, .scroll, main a, nav a")]
    .every((element) => element.tabIndex >= 0),
  width: root.clientWidth,
  scrollWidth: root.scrollWidth,
  plots: [...document.querySelectorAll("svg.plot")].map((plot) => plot.clientWidth),
  wide: [...document.querySelectorAll("main *")].filter((element) =>
    element.getBoundingClientRect().right > root.clientWidth + 1 && !element.closest(".scroll"))
    .map((element) => element.outerHTML.slice(0, 80)),
}), "*");
"""


@pytest.fixture(scope="module")
def browser() -> str:
    if BROWSER is None:
        pytest.skip("no chromium is installed (apt-get install chromium)")
    return BROWSER


def visit(browser: str, page: Path, folder: Path, *arguments: str) -> tuple[str, list[str]]:
    """Open a page in a fresh browser; returns its standard output and its console's lines."""
    done = subprocess.run(
        [browser, *FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


def measure(
    browser: str, page: Path, folder: Path, width: int, probe: str = PROBE
) -> dict[str, Any]:
    """Return what `probe` finds in a view of `width` pixels, and the console's lines."""
    digest = base64.b64encode(hashlib.sha256(probe.encode()).digest()).decode()
    text = page.read_text("utf-8")
    text = text.replace("script-src ", f"script-src 'sha256-{digest}' ", 1)
    text = text.replace("</body>", f"<script>{probe}</script></body>", 1)
    (folder / "copy.html").write_text(text, "utf-8")
    frame = folder / "frame.html"
    frame.write_text(FRAME.format(width=width), "utf-8")
    dom, console = visit(browser, frame, folder, "--window-size=1500,1000", "--dump-dom")
    found = re.search(r'data-probe="([^"]*)"', dom)
    assert found, f"the page did not come up: {console}"
    return json.loads(html.unescape(found[1])) | {"console": console}


@pytest.fixture(scope="module")
def seen_at(browser, page_path, tmp_path_factory) -> Callable[[int], dict[str, Any]]:
    """A function that returns what the probe finds in the report at a width, measured once."""

    @functools.cache
    def seen(width: int) -> dict[str, Any]:
        return measure(browser, page_path, tmp_path_factory.mktemp("seen"), width)

    return seen


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_the_page_fits_the_window_and_everything_is_there(seen_at, width):
    seen = seen_at(width)
    assert seen["console"] == []
    assert seen["title"].startswith("Trained beats random weights")
    assert seen["width"] == width
    assert seen["scrollWidth"] <= width
    assert seen["wide"] == []
    assert len(seen["durations"]) == 9 + 3
    assert all(0.5 < duration < 8.5 for duration in seen["durations"])
    assert len(seen["plots"]) == 10
    assert all(plot[0] > 200 and plot[1] > 90 for plot in seen["plots"])
    columns = 1 if width == NARROW else 3
    assert all(width / columns * 0.6 < card[0] < width / columns for card in seen["cards"])


def test_the_list_of_tags_shows_what_was_typed(seen_at, whole):
    seen = seen_at(WIDE)
    assert seen["console"] == []
    found = seen["filtered"]
    tags = len(Vocabulary.load(whole.latest_run()[1]["vocabulary"].file("vocabulary.json")))
    assert found["focused"]
    assert not found["folded"]["open"]
    assert (found["none"]["tags"], found["none"]["count"]) == ([], "0 tags")
    assert found["none"]["open"]
    assert (found["tag"]["tags"], found["tag"]["count"]) == (["recording"], "1 tag")
    assert 0 < len(found["variant"]["tags"]) < tags
    assert set(found["variant"]["domains"]) == {"music"}
    assert len(found["all"]["tags"]) == tags
    assert found["all"]["count"] == f"{tags} tags"


def test_a_tag_is_explored_by_keyboard(seen_at):
    found = seen_at(WIDE)["explored"]
    assert found["focused"]
    assert len(found["offered"]) == 10
    assert all(name.startswith("r") for name in found["offered"][:3])
    assert (found["expanded"], found["closed"]) == ("true", "false")
    assert found["second"] == found["offered"][1] == found["chosen"]
    assert found["selected"] == 1
    assert found["domain"] in ("speech", "music", "sound")
    assert found["followed"] == found["near"] != found["chosen"]
    assert found["unmatched"] == [0, found["followed"]]
    assert found["unmatchedTold"] == "no match"
    assert re.fullmatch(re.escape(found["chosen"]) + r": [\d,]+ captions?", found["told"])
    assert found["read"] == ["explore-told", "tag-count"]
    assert found["heard"] == 3


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_the_study_fits_the_window_and_unfolds(browser, study_path, tmp_path, width):
    seen = measure(browser, study_path, tmp_path, width, STUDY_PROBE)
    assert seen["console"] == []
    assert seen["closed"] == seen["open"] == seen["folds"] > 3
    assert seen["reached"]
    assert seen["width"] == width
    assert seen["scrollWidth"] <= width
    assert seen["wide"] == []
    assert min(seen["plots"]) > 200


@pytest.mark.parametrize("width", [NARROW, WIDE])
@pytest.mark.parametrize("kind", ["page_path", "study_path"])
def test_the_scheme_of_the_reader_is_followed(browser, kind, request, tmp_path, width):
    path = request.getfixturevalue(kind)
    light, dark = (screenshot(browser, path, tmp_path, width, scheme) for scheme in (1, 0))
    assert light.shape == dark.shape == (1200, width)
    assert light.mean() > 0.85
    assert dark.mean() < 0.25
    # There is ink on both: a page of one colour would pass the lines above.
    assert light.min() < 0.3
    assert dark.max() > 0.7


def screenshot(browser: str, page: Path, folder: Path, width: int, scheme: int) -> Any:
    """Return the first 1200 lines of the page as luminance from 0 to 1; scheme 0 is dark."""
    from matplotlib.image import imread

    target = folder / f"{width}-{scheme}.png"
    settings = f"--blink-settings=preferredColorScheme={scheme}"
    size = f"--window-size={width},1200"
    visit(browser, page, folder, settings, size, f"--screenshot={target}")
    return imread(target)[:, :, :3].mean(axis=2)
