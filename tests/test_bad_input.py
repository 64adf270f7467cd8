"""Bad files get their reason, the rest goes on, nothing is lost, and a kill costs little."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from earmark.annotate.scan import ScanConfig, scan
from earmark.corpora.base import list_corpus
from earmark.corpora.folder import FolderConfig
from earmark.records import Clip, Rejected, Source
from earmark.tables import read_parquet

RATE = 16000
GOOD = ("plain.wav", "caf\u00e9 \U0001f3b5 \u6771\u4eac.flac", "x" * 251 + ".wav", "studio.wav")


def noise(seconds: float, seed: int, channels: int = 1, rate: int = RATE) -> np.ndarray:
    shape = (round(seconds * rate), channels)
    return np.random.default_rng(seed).uniform(-0.3, 0.3, shape).astype("f4")


@pytest.fixture
def socket_at() -> Iterator[socket.socket]:
    """A socket to bind; it is closed in the end."""
    with socket.socket(socket.AF_UNIX) as listener:
        yield listener


@pytest.fixture
def pile(tmp_path: Path, socket_at: socket.socket, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with four good files and everything that people's folders hold besides."""
    root = tmp_path / "pile"
    (root / "sub").mkdir(parents=True)
    for seed, name in enumerate(GOOD[:3]):
        soundfile.write(root / name, noise(0.5, seed), RATE)
    soundfile.write(root / GOOD[3], noise(0.5, 3, 2, 96000), 96000, subtype="PCM_24")
    soundfile.write(root / "sub" / "copy.wav", noise(0.5, 0), RATE)

    (root / "text.wav").write_text("not a sound")
    (root / "zero.wav").touch()
    soundfile.write(root / "header.wav", noise(0, 0), RATE)
    soundfile.write(root / "cut.flac", noise(2.0, 4), RATE)
    os.truncate(root / "cut.flac", (root / "cut.flac").stat().st_size // 2)
    soundfile.write(root / "nan.wav", np.full(RATE, np.nan, "f4"), RATE, subtype="FLOAT")
    soundfile.write(root / "one.wav", noise(1 / RATE, 5), RATE)
    soundfile.write(root / "quiet.wav", 1e-4 * noise(0.5, 6), RATE, subtype="FLOAT")
    soundfile.write(root / "long.ogg", noise(61.0, 7, rate=8000), 8000)
    (root / "gone.wav").symlink_to("nowhere.wav")
    os.mkfifo(root / "pipe.wav")
    (root / "loop").symlink_to(".")
    (root / "note.txt").write_text("a shopping list")
    (root / os.fsdecode(b"latin\xe9.wav")).write_bytes(b"")
    monkeypatch.chdir(root)
    socket_at.bind("socket.wav")  # by a short name: a socket's path has at most 107 bytes
    return root


EXPECTED = {
    "scan: undecodable": {"text.wav"},
    "scan: empty": {"zero.wav", "header.wav"},
    "scan: truncated": {"cut.flac"},
    "scan: not finite": {"nan.wav"},
    "scan: too short": {"one.wav"},
    "scan: too long": {"long.ogg"},
    "scan: silent": {"quiet.wav"},
    "scan: duplicate": {"sub/copy.wav"},
    "scan: unreadable": {"gone.wav", "pipe.wav", "socket.wav"},
    "corpus: link loop": {"loop/"},
    "corpus: not audio": {"note.txt"},
    "corpus: name not UTF-8": {r"latin\xe9.wav"},
}


def reasons(folder: Path) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in read_parquet(folder / "rejected.parquet", Rejected):
        found.setdefault(f"{row.stage}: {row.reason}", set()).add(row.id)
    return found


def test_each_bad_file_gets_its_reason_and_the_rest_goes_on(pile: Path, tmp_path: Path) -> None:
    listing, out = tmp_path / "listing", tmp_path / "out"
    listing.mkdir()
    out.mkdir()
    listed = list_corpus(FolderConfig(path=str(pile)).build(), listing)
    counts = scan(read_parquet(listing / "sources.parquet", Source), ScanConfig(), out)
    assert {**reasons(listing), **reasons(out)} == EXPECTED
    clips = {clip.name: clip for clip in read_parquet(out / "clips.parquet", Clip)}
    assert set(clips) == set(GOOD)
    assert (clips["studio.wav"].sample_rate, clips["studio.wav"].channels) == (96000, 2)

    entries = sum(len(files) + len(folders) for _, folders, files in os.walk(pile))
    assert listed["in"] == entries - 1, "everything but the folder `sub` is a row"
    assert listed["out"] == counts["in"]
    for stage in (listed, counts):
        assert stage.pop("in") == sum(stage.values())


SCAN = """
import os, signal, sys, threading, time
from pathlib import Path
from earmark.annotate.scan import ScanConfig, scan
from earmark.records import Source
from earmark.tables import read_parquet

folder, size = Path(sys.argv[1]), int(sys.argv[2])
journal = folder / "out" / "journal.jsonl"

def kill():
    while not (journal.exists() and journal.stat().st_size >= size):
        time.sleep(0.0005)
    os.kill(os.getpid(), signal.SIGKILL)

sources = read_parquet(folder / "sources.parquet", Source)
threading.Thread(target=kill, daemon=True).start()
scan(sources, ScanConfig(workers=2), folder / "out")
"""


def killed_at(folder: Path, size: int) -> bytes:
    """Run the scan until its journal has `size` bytes and kill it with -9; returns the journal."""
    process = subprocess.run([sys.executable, "-c", SCAN, str(folder), str(size)], check=False)
    assert process.returncode == -signal.SIGKILL
    return (folder / "out" / "journal.jsonl").read_bytes()


def whole_lines(data: bytes) -> bytes:
    return data[: data.rfind(b"\n") + 1]


def test_a_killed_scan_goes_on_and_ends_in_the_same_result(tmp_path: Path) -> None:
    total = 900
    (tmp_path / "sounds").mkdir()
    for index in range(total):
        seed = index - index % 10 % 2  # every second one of ten is a copy of the one before
        seconds = 0.05 if index % 10 == 2 else 0.2
        soundfile.write(tmp_path / "sounds" / f"{index:04}.wav", noise(seconds, seed), RATE)
    list_corpus(FolderConfig(path=str(tmp_path / "sounds")).build(), tmp_path)
    rows = read_parquet(tmp_path / "sources.parquet", Source)
    (tmp_path / "straight").mkdir()
    expected = scan(rows, ScanConfig(), tmp_path / "straight")
    assert expected == {"in": 900, "out": 450, "scan: duplicate": 360, "scan: too short": 90}
    (tmp_path / "out").mkdir()

    draw = random.Random(0)
    journal = b""
    for _ in range(3):
        killed = killed_at(tmp_path, len(journal) + draw.randrange(1, 30_000))
        assert killed.startswith(whole_lines(journal)), "finished rows are neither lost nor redone"
        journal = killed
        # What is finished is taken away: whoever opened it again would call it unreadable.
        for line in whole_lines(journal).splitlines():
            name = line.split(b'"', 4)[3].decode()
            (tmp_path / "sounds" / name).unlink(missing_ok=True)
    done = whole_lines(journal).count(b"\n")
    assert 0 < done < total, f"the kills should have struck midway, not at {done} of {total}"

    assert scan(rows, ScanConfig(), tmp_path / "out") == expected
    for name in ("clips.parquet", "rejected.parquet"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    assert not (tmp_path / "out" / "journal.jsonl").exists()
    clips = read_parquet(tmp_path / "out" / "clips.parquet", Clip)
    assert len({clip.id for clip in clips}) == len(clips) == expected["out"]
