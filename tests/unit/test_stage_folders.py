"""The folder of each stage: equal settings on equal input must find the work that is there.

The names change where a setting, a name or a format changes on purpose, and then here too.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.config import to_plain
from earmark.pipeline import stages_of
from earmark.recipe import load_recipe
from earmark.workspace import StageFolder, Workspace

SCRIPTED = ("captioner.kind=scripted", "captioner.default='A dog barks.'")
SCRIPTED += ("tagger.kind=scripted", "tagger.default='[\"dog\"]'")
SERVED = ("captioner.kind=endpoint", 'captioner.urls=["http://127.0.0.1:1/v1"]')
SERVED += ("captioner.model=a-captioner", "scan.window_s=30")
SERVED += ("tagger.kind=endpoint", 'tagger.urls=["http://127.0.0.1:1/v1"]', "tagger.model=a-tagger")
RECIPES = {
    "demo": ("demo", *SCRIPTED, "pretrain.steps=10", "evaluate.shots=[1,3]"),
    "folder": ("folder", "corpus.path=sounds", *SERVED, "objective.kind=contrastive"),
    "table": ("table.toml", *SCRIPTED, "vocabulary.size=800", "encoder.kind=zipformer"),
}
TABLE = """
[corpus]
kind = "table"
path = "clips.csv"
labels = ["kind"]

[[evaluate.tasks]]
label = "kind"
"""
FOLDERS: dict[str, dict[str, str]] = {
    "demo": {
        "corpus": "corpus-000000000000",
        "scan": "scan-c539758a4a8a",
        "caption-raw": "caption-raw-15aebd3f886c",
        "caption": "caption-ec5272371e4f",
        "tag-raw": "tag-raw-86efa269e144",
        "tag": "tag-fa9d8fa9c798",
        "vocabulary": "vocabulary-a5d2f7134b0b",
        "manifest": "manifest-12fb0e9c378a",
        "pretrain": "pretrain-2396229e6ca3",
        "evaluate": "evaluate-550bf84dec1a",
    },
    "folder": {
        "corpus": "corpus-000000000000",
        "scan": "scan-61d59e3e297e",
        "caption-canary": "caption-canary-2fe18fe2eeec",
        "caption-raw": "caption-raw-7d65d8775a28",
        "caption": "caption-4ff538fe8e19",
        "tag-canary": "tag-canary-ba264aceee3c",
        "tag-raw": "tag-raw-4f43266b753f",
        "tag": "tag-618c648baa22",
        "vocabulary": "vocabulary-99abd7914d62",
        "manifest": "manifest-521358e378ab",
        "pretrain": "pretrain-eeb1d91d9877",
        "evaluate": "evaluate-09f8a0660a0a",
    },
    "table": {
        "corpus": "corpus-000000000000",
        "scan": "scan-e7260c6e080d",
        "caption-raw": "caption-raw-78f1b6c8593c",
        "caption": "caption-91359e361654",
        "tag-raw": "tag-raw-47e163348455",
        "tag": "tag-5ebfddf49cc5",
        "vocabulary": "vocabulary-29632dfcae0c",
        "manifest": "manifest-92439d68ee0a",
        "pretrain": "pretrain-8b1b8055b2df",
        "evaluate": "evaluate-79bc78bc5444",
    },
}


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder and a table in the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("sounds").mkdir()
    Path("clips.csv").write_text("path,kind\nsounds/a.wav,dog\n")
    Path("table.toml").write_text(TABLE)


def folders(name: str, until: str = "evaluate") -> dict[str, str]:
    """Return the folders behind a listing of fixed name: that of a corpus depends on its path."""
    recipe = load_recipe(RECIPES[name][0], RECIPES[name][1:])
    workspace = Workspace(Path("workspace"))
    listed = StageFolder("corpus", "0" * 12, workspace.root / f"corpus-{'0' * 12}")
    listed.folder.mkdir(parents=True, exist_ok=True)
    listed.file("done").touch()
    workspace.record_run(to_plain(recipe), {"corpus": listed})
    stages = stages_of(recipe, workspace.root, until=until)
    return {stage: found.folder.name for stage, found in stages.items()}


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize("name", RECIPES)
def test_equal_settings_find_the_same_folder(name: str) -> None:
    assert {name: folders(name)} == {name: FOLDERS[name]}


@pytest.mark.usefixtures("corpus")
def test_an_audit_changes_no_other_folder() -> None:
    audited = folders("folder", "audit")
    assert audited.pop("audit")
    assert audited.items() <= FOLDERS["folder"].items()
