"""Progress of long work, as a person at a terminal and as a log file see it."""

from __future__ import annotations

import io
import re
import sys

import pytest

from earmark import progress
from earmark.progress import Progress, format_eta, track


class Terminal(io.StringIO):
    """A stream that takes itself for a terminal."""

    def isatty(self) -> bool:
        return True


def test_the_line_has_count_rate_and_time_left() -> None:
    work = Progress("scan", 200, "clips", lambda _: None)
    assert work.line() == "scan: 0/200 clips, 0.0/s"
    work.advance(50, "3 rejected")
    line = re.fullmatch(r"scan: 50/200 clips, [\d.]+/s, \d+ s left, 3 rejected", work.line())
    assert line, work.line()


def test_an_unknown_total_gives_no_time_left() -> None:
    work = Progress("scan", None, "files", lambda _: None)
    work.advance(7)
    assert re.fullmatch(r"scan: 7 files, [\d.]+/s", work.line())


def test_the_last_note_stays() -> None:
    work = Progress("tag", 3, "clips", lambda _: None)
    work.advance(1, "1 refused")
    work.advance(1)
    assert work.line().endswith(", 1 refused")


def test_what_an_earlier_run_did_counts_as_done_but_not_as_speed() -> None:
    work = Progress("scan", 10, "clips", lambda _: None, resumed=9)
    assert work.line() == "scan: 9/10 clips, 0.0/s"
    work.advance()
    assert work.line().startswith("scan: 10/10 clips, ")
    assert work.line().endswith("/s, 0 s left")


def test_a_log_gets_plain_lines_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with track("scan", total=1000) as work:
        for _ in range(1000):
            work.advance()
    assert len(capsys.readouterr().err.splitlines()) == 1, "quick work: the last line only"
    monkeypatch.setattr(progress, "LOG_EVERY_S", 0.0)
    with track("scan", total=3, unit="files", resumed=1) as work:
        work.advance()
        work.advance()
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "scan: 2/3 files",
        "scan: 3/3 files",
        "scan: 3/3 files",
    ]
    assert not any("\x1b" in line for line in lines), "no control codes in a log"


def test_a_terminal_gets_a_bar_that_is_left_full(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    with track("scan", total=4) as work:
        work.advance(4)
    shown = terminal.getvalue()
    assert "━" * 24 in shown
    assert "scan: 4/4 clips" in shown


def test_a_failure_goes_through_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(OSError, match="disk full"), track("scan", total=None):
        raise OSError("disk full")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (99, "99 s"), (150, "2 min"), (5000, "83 min"), (90000, "25.0 h")],
)
def test_a_time_to_wait_is_told_in_its_unit(seconds: float, words: str) -> None:
    assert format_eta(seconds) == words
