"""The site builds without a warning, its links lead somewhere, and the reference is whole."""

from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
import pytest
from msgspec import inspect

from earmark import Recipe

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
FETCHED = {"script": "src", "img": "src", "link": "href", "iframe": "src"}
"""Tags whose address a browser fetches when it shows a page."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for name in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(name, reason=f"{name} is not here: pip install 'earmark[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    built = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


class Page(HTMLParser):
    """The ids of a page, where it links to, and what a browser fetches with it."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.ids, self.links, self.fetched = set[str](), set[str](), set[str]()
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.ids.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.add(given["href"])
        if tag in FETCHED and FETCHED[tag] in given and given.get("rel") != "canonical":
            self.fetched.add(given[FETCHED[tag]])


def test_every_link_within_the_site_leads_somewhere(site: Path) -> None:
    pages = {file: Page(file) for file in site.rglob("*.html") if file.name != "404.html"}
    assert len(pages) > 10
    broken = [
        f"{file.relative_to(site)}: {link}"
        for file, page in pages.items()
        for link in sorted(page.links | page.fetched)
        if not leads_somewhere(file, link, pages)
    ]
    assert broken == []


def leads_somewhere(file: Path, link: str, pages: dict[Path, Page]) -> bool:
    address = urlsplit(link)
    if address.scheme or address.netloc:
        return True
    target = (file.parent / unquote(address.path)).resolve() if address.path else file
    if target.is_dir():
        target /= "index.html"
    if not target.is_file():
        return False
    fragment = unquote(address.fragment)
    return not fragment or target not in pages or fragment in pages[target].ids


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    fetched = {address for file in site.rglob("*.html") for address in Page(file).fetched}
    assert [address for address in fetched if urlsplit(address).netloc] == []


def test_every_setting_of_a_recipe_is_in_the_reference(site: Path) -> None:
    ids = Page(site / "reference" / "recipe.html").ids
    kinds = settings_of(Recipe)
    assert len(kinds) > 20
    missing = [
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in kinds
        if f"{kind.__module__}.{kind.__qualname__}" not in ids
    ]
    assert sorted(missing) == []


def settings_of(root: type[msgspec.Struct]) -> set[type]:
    """Return the classes that a recipe's tables are of, at any depth."""
    found, waiting = set[type](), list[Any]([inspect.type_info(root)])
    while waiting:
        info = waiting.pop()
        if isinstance(info, inspect.StructType) and info.cls not in found:
            found.add(info.cls)
            waiting += [field.type for field in info.fields]
        waiting += [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
        waiting += [
            part
            for name in ("item_type", "key_type", "value_type")
            if (part := getattr(info, name, None)) is not None
        ]
    return found
