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
        "caption-raw": "caption-raw-a1e7b8b883e0",
        "caption": "caption-cd2cf1463eff",
        "tag-raw": "tag-raw-6e920b0432b7",
        "tag": "tag-3c0eb0a0f448",
        "vocabulary": "vocabulary-ab6564c90eaa",
        "manifest": "manifest-0b7cc7a7bc4b",
        "pretrain": "pretrain-7a59edffa3ae",
        "evaluate": "evaluate-03232569f1d5",
    },
    "folder": {
        "corpus": "corpus-000000000000",
        "scan": "scan-61d59e3e297e",
        "caption-canary": "caption-canary-d1cea058a099",
        "caption-raw": "caption-raw-79747de58669",
        "caption": "caption-fda0161e362a",
        "tag-canary": "tag-canary-4538eb347186",
        "tag-raw": "tag-raw-218814f23d9a",
        "tag": "tag-16be9f74323f",
        "vocabulary": "vocabulary-04e9b9c829e0",
        "manifest": "manifest-7579df877263",
        "pretrain": "pretrain-e3d15fccd2c1",
        "evaluate": "evaluate-af9b9dab45cd",
    },
    "table": {
        "corpus": "corpus-000000000000",
        "scan": "scan-e7260c6e080d",
        "caption-raw": "caption-raw-efcd67dc1dca",
        "caption": "caption-5f1edaa7cc2f",
        "tag-raw": "tag-raw-e9adc68bb696",
        "tag": "tag-0a04f2178ca5",
        "vocabulary": "vocabulary-aa82e0891fc1",
        "manifest": "manifest-c850902bbbd5",
        "pretrain": "pretrain-24dc3d7c2088",
        "evaluate": "evaluate-1d6a10d8635e",
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
