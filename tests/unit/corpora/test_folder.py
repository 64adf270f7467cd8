"""A folder of files: each one is offered or rejected, in one order, whatever the links do."""

from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

import pytest

from earmark.config import ConfigError
from earmark.corpora.base import list_corpus
from earmark.corpora.folder import FolderConfig
from earmark.records import Rejected, Source
from earmark.tables import read_parquet
from earmark.workspace import Workspace


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def listed(root: Path, *, follow_links: bool = True) -> tuple[list[str], dict[str, str]]:
    """Return the names offered, and the reasons by the name rejected."""
    corpus = FolderConfig(path=str(root), follow_links=follow_links).build()
    rows = list(corpus.rows(root))
    rejected = [row for row in rows if isinstance(row, Rejected)]
    assert {row.stage for row in rejected} <= {"corpus"}
    reasons = {row.id: row.reason for row in rejected}
    assert len(reasons) == len(rejected)
    return [row.name for row in rows if isinstance(row, Source)], reasons


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder to list; what lies beside it is outside."""
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def test_audio_is_found_at_any_depth_in_order(root: Path) -> None:
    put(root, "b.wav", "a/z.flac", "a/b/c.MP3", "a-b/x.Ogg", "B.wav", "a.opus", "10.m4a", "9.aif")
    names, rejected = listed(root)
    expected = ["10.m4a", "9.aif", "B.wav", "a/b/c.MP3", "a/z.flac", "a-b/x.Ogg", "a.opus", "b.wav"]
    assert names == expected
    assert rejected == {}


def test_a_source_has_its_path_and_a_name_that_moves_with_the_folder(root: Path) -> None:
    put(root, "dogs/a.wav")
    (row,) = FolderConfig(path=str(root)).build().rows(root)
    assert row == Source(path=str(root / "dogs" / "a.wav"), name="dogs/a.wav")


def test_a_relative_path_becomes_absolute(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, "a.wav")
    monkeypatch.chdir(root.parent)
    (row,) = FolderConfig(path="root").build().rows(root)
    assert isinstance(row, Source)
    assert row.path == str(root / "a.wav")


def test_other_files_are_rejected_one_by_one(root: Path) -> None:
    put(root, "a.wav", "a.txt", "cover.JPG", "README", ".DS_Store", "._a.wav", ".git/x.wav", "wav")
    names, rejected = listed(root)
    assert names == ["a.wav"]
    assert rejected == {
        "a.txt": "not audio",
        "cover.JPG": "not audio",
        "README": "not audio",
        "wav": "not audio",
        ".DS_Store": "hidden",
        "._a.wav": "hidden",
        ".git": "hidden",
    }


def test_a_folder_with_an_audio_name_is_a_folder(root: Path) -> None:
    put(root, "band.wav/take.wav")
    assert listed(root) == (["band.wav/take.wav"], {})


def test_loops_of_links_end(root: Path) -> None:
    put(root, "a/x.wav", "b/y.wav")
    (root / "a" / "up").symlink_to("..")
    (root / "a" / "self").symlink_to(".")
    (root / "a" / "beside").symlink_to("../b")
    (root / "b" / "back").symlink_to("../a")
    (root / "snake.wav").symlink_to("snake.wav")
    names, rejected = listed(root)
    assert names == ["a/beside/y.wav", "a/x.wav"]
    assert rejected == {
        "a/up/": "link loop",
        "a/self/": "link loop",
        "a/beside/back/": "link loop",
        "b/": "listed already",
        "snake.wav": "link loop",
    }


def test_a_web_of_links_is_walked_once(root: Path) -> None:
    """Every folder links to every other: followed blindly, that is a walk of 12! steps."""
    folders = [f"d{index:02}" for index in range(12)]
    for folder in folders:
        put(root, f"{folder}/x.wav")
        for other in folders:
            (root / folder / f"to-{other}").symlink_to(f"../{other}")
    names, rejected = listed(root)
    assert len(names) == 12
    # Of 12 x 12 links, 11 lead to a folder for the first time; those 11 folders are then refused.
    assert len(rejected) == 12 * 12 - 11 + 11
    assert set(rejected.values()) == {"link loop", "listed already"}


def test_links_lead_out_of_the_folder(root: Path) -> None:
    put(root.parent, "outside/far.wav", "one.wav")
    put(root, "a.wav")
    (root / "far").symlink_to(root.parent / "outside")
    (root / "one.wav").symlink_to(root.parent / "one.wav")
    assert listed(root) == (["a.wav", "far/far.wav", "one.wav"], {})
    names, rejected = listed(root, follow_links=False)
    assert names == ["a.wav", "one.wav"]
    assert rejected == {"far/": "link not followed"}


def test_a_dangling_link_is_left_to_scan(root: Path) -> None:
    (root / "gone.wav").symlink_to("nowhere.wav")
    assert listed(root) == (["gone.wav"], {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every folder")
def test_an_unreadable_folder_is_one_row(root: Path) -> None:
    put(root, "a.wav", "closed/b.wav")
    (root / "closed").chmod(0)
    try:
        assert listed(root) == (["a.wav"], {"closed/": "unreadable folder"})
    finally:
        (root / "closed").chmod(0o700)


def test_a_folder_too_deep_to_open_is_one_row(root: Path) -> None:
    """Works for root too: the path of the deepest folder is longer than the system takes."""
    put(root, "a.wav")
    here = os.getcwd()
    try:
        os.chdir(root)
        for _ in range(20):
            os.mkdir("d" * 250)
            os.chdir("d" * 250)
    finally:
        os.chdir(here)
    names, rejected = listed(root)
    assert names == ["a.wav"]
    assert list(rejected.values()) in (["unreadable folder"], ["unreadable link"])


def test_a_tree_deeper_than_pythons_stack_is_walked(root: Path) -> None:
    depth = 200
    put(root, "/".join(["d"] * depth) + "/a.wav")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + depth // 2)
    try:
        names, rejected = listed(root)
    finally:
        sys.setrecursionlimit(limit)
    assert [len(name) for name in names] == [2 * depth + len("a.wav")]
    assert rejected == {}


def test_names_of_any_script_and_length(root: Path, tmp_path: Path) -> None:
    odd = ["caf\u00e9 \U0001f3b5.wav", "\u6771\u4eac/\u96e8.wav", "x" * 251 + ".wav", "a\nb.wav"]
    put(root, *odd)
    assert sorted(listed(root)[0]) == sorted(odd)
    list_corpus(FolderConfig(path=str(root)).build(), tmp_path)
    stored = read_parquet(tmp_path / "sources.parquet", Source)
    assert sorted(source.name for source in stored) == sorted(odd)


def test_names_that_are_not_utf8_are_rejected_and_can_be_stored(root: Path, tmp_path: Path) -> None:
    put(root, "a.wav")
    (root / os.fsdecode(b"caf\xe9.wav")).touch()
    (root / os.fsdecode(b"\xff")).mkdir()
    (root / "link").symlink_to(os.fsdecode(b"\xff"))
    corpus = FolderConfig(path=str(root), follow_links=False).build()
    counts = list_corpus(corpus, tmp_path)
    assert counts == {
        "in": 4,
        "out": 1,
        "corpus: name not UTF-8": 2,
        "corpus: link not followed": 1,
    }
    rejected = read_parquet(tmp_path / "rejected.parquet", Rejected)
    assert [row.id for row in rejected] == [r"caf\xe9.wav", "link/", r"\xff"]
    assert "convmv" in rejected[0].detail
    assert rejected[1].detail.endswith(r"\xff")


def test_workspaces_inside_are_passed_over(root: Path) -> None:
    """A workspace in the folder must not change the folder's fingerprint as it grows."""
    put(root, "a.wav")
    corpus = FolderConfig(path=str(root)).build()
    before = corpus.fingerprint()
    Workspace(root / "workspace").record_run({}, {})
    put(root, "workspace/corpus-1/audio/made.wav", "workspace/notes.txt")
    assert listed(root) == (["a.wav"], {})
    assert corpus.fingerprint() == before


def test_the_fingerprint_sees_files_come_go_and_change(root: Path) -> None:
    put(root, "a.wav", "b.wav")
    corpus = FolderConfig(path=str(root)).build()
    seen = [corpus.fingerprint()]
    put(root, "c.wav")
    seen.append(corpus.fingerprint())
    (root / "c.wav").rename(root / "d.wav")
    seen.append(corpus.fingerprint())
    (root / "d.wav").write_bytes(b"longer than it was")
    seen.append(corpus.fingerprint())
    os.utime(root / "d.wav", ns=(1, 1))
    seen.append(corpus.fingerprint())
    assert len(set(seen)) == len(seen)
    (root / "d.wav").unlink()
    assert corpus.fingerprint() == seen[0]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("sonds", "there is no 'sonds' in .*root. Did you mean 'sounds'?"),
        ("sonds/dogs/a", "there is no 'sonds' in .*root. Did you mean 'sounds'?"),
        ("sounds/a.wav", 'is a file, not a folder. .* kind = "table"'),
    ],
)
def test_a_path_that_is_no_folder(root: Path, path: str, message: str) -> None:
    put(root, "sounds/a.wav")
    with pytest.raises(ConfigError, match=message):
        FolderConfig(path=str(root / path)).build()


def test_an_empty_folder_says_what_is_looked_for(root: Path) -> None:
    for action in (lambda corpus: list(corpus.rows(root)), lambda corpus: corpus.fingerprint()):
        with pytest.raises(ConfigError, match=r"root is empty. Files that end in .*\.flac.*\.wav"):
            action(FolderConfig(path=str(root)).build())


def test_a_folder_without_audio_says_what_is_there(root: Path) -> None:
    put(root, "a.txt", "b.txt", "c.jpg", "d.jpg", ".hidden")
    with pytest.raises(ConfigError) as caught:
        list(FolderConfig(path=str(root)).build().rows(root))
    assert "found: 4 not audio, 1 hidden (.hidden, a.txt, b.txt, ...)" in str(caught.value)


def test_a_path_that_is_not_utf8_is_told(root: Path) -> None:
    folder = root / os.fsdecode(b"\xe9")
    put(folder, "a.wav")
    with pytest.raises(ConfigError, match=r"\\xe9 is not UTF-8. Rename the folder."):
        FolderConfig(path=str(folder)).build()
