"""The journal keeps what it was given, once, whatever kills it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from earmark.annotate.journal import Journal
from earmark.records import TagSet


def opened(path: Path) -> Journal[TagSet]:
    return Journal(path, TagSet)


def row(name: str) -> TagSet:
    return TagSet(id=name, tags=("dog", "caf\u00e9"), backend="b")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of the rows a and b."""
    with closing(opened(tmp_path / "journal.jsonl")) as journal:
        journal.append([row("a"), row("b")])
    return tmp_path / "journal.jsonl"


def test_rows_are_there_when_it_is_opened_again(path: Path) -> None:
    with closing(opened(path)) as journal:
        assert list(journal.rows()) == [row("a"), row("b")]
        journal.append([])
        journal.append([row("c")])
    with closing(opened(path)) as journal:
        assert [found.id for found in journal.rows()] == ["a", "b", "c"]


def test_rows_are_on_the_disk_before_close(path: Path) -> None:
    with closing(opened(path)) as journal:
        journal.append([row("c")])
        assert path.read_bytes().count(b"\n") == 3


def test_a_row_cut_short_at_any_byte_is_done_again(path: Path) -> None:
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with closing(opened(path)) as journal:
            assert [found.id for found in journal.rows()] == (["a"] if size >= first else [])
            journal.append([row("c")])
        assert path.read_bytes().endswith(b"}\n")
        with closing(opened(path)) as journal:
            assert list(journal.rows())[-1] == row("c")


def test_a_long_torn_line_is_cut_off_whole(path: Path) -> None:
    """Longer than the block in which the last newline is looked for."""
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"id":"' + b"x" * 200_000)
    with closing(opened(path)) as journal:
        assert len(list(journal.rows())) == 2
    assert path.read_bytes() == whole


@pytest.mark.parametrize("damage", [b"{}", b"", b"\0\0\0", b'{"id":"\xff"}', b'{"id":3}'])
def test_damage_before_the_end_is_told_with_its_line(path: Path, damage: bytes) -> None:
    first, second = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, damage, second, b""]))
    with (
        closing(opened(path)) as journal,
        pytest.raises(ValueError, match=r"journal.jsonl:2 is damaged"),
    ):
        list(journal.rows())


def test_rows_are_read_from_their_places_in_any_order(path: Path) -> None:
    with closing(opened(path)) as journal:
        journal.append([row("c")])
        places = [place for place, _ in journal.located()]
        assert [found.id for found in journal.read(reversed(places))] == ["c", "b", "a"]


FULL_DISK = """
import resource, sys
from pathlib import Path
from earmark.annotate.journal import Journal
from earmark.records import TagSet

journal = Journal(Path(sys.argv[1]), TagSet)
before = journal.path.read_bytes()
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
row = TagSet(id="c", tags=("dog",), backend="b")
big = TagSet(id="d", tags=("x" * 4096,), backend="b")
try:
    journal.append([row, big])
except OSError as error:
    print(error.strerror)
assert journal.path.read_bytes() == before
journal.append([row])
journal.close()
"""


def test_a_full_disk_takes_no_half_row(path: Path) -> None:
    """No file may grow past 4096 bytes: a write that would is cut short, as on a full disk.

    In a process of its own, for the limit also holds for a log that the tests are written to.
    """
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout == "File too large\n"
    with closing(opened(path)) as journal:
        assert [found.id for found in journal.rows()] == ["a", "b", "c"]


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "nowhere" / "journal.jsonl")
