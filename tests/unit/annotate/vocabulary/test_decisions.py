"""What people decided: read strictly, and refused where it contradicts itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from earmark.annotate.vocabulary.decisions import Decisions, read_decisions
from earmark.config import ConfigError

WHOLE = """
ban = ["untitled"]
keep = ["theremin"]
[merge]
reverberant = "reverb"
[rename]
hifi = "high-fidelity"
[[proposal]]
tag = "automobile"
into = "car"
similarity = 0.9
tag_df = 3
into_df = 90
decision = "accept"
[[proposal]]
tag = "dog"
into = "cat"
decision = "reject"
[[proposal]]
tag = "lady"
into = "woman"
decision = ""
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "decisions.toml"
    path.write_text(text, "utf-8")
    return path


def test_a_whole_file(tmp_path: Path) -> None:
    assert read_decisions(write(tmp_path, WHOLE)) == Decisions(
        merge={"reverberant": "reverb", "automobile": "car"},
        rename={"hifi": "high-fidelity"},
        ban=("untitled",),
        keep=("theremin",),
        rejected=frozenset({("cat", "dog")}),
        accepted=frozenset({"automobile"}),
    )


def test_an_empty_file_decides_nothing(tmp_path: Path) -> None:
    assert read_decisions(write(tmp_path, "")) == Decisions()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ban = [", "not valid TOML"),
        ("bann = []", "Did you mean 'ban'"),
        ("ban = 'rain'", "a list in"),
        ("[merge]\na = 1", "text in quotes"),
        ("[[proposal]]\ntag = 'a'\ninto = 'b'\ndecision = 'accepted'", "Did you mean 'accept'"),
        ("[[proposal]]\ntag = 'a'", "needs 'into'"),
        ("[merge]\na = ''", "empty name"),
        ("ban = ['']", "empty name"),
    ],
)
def test_what_cannot_be_read(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_decisions(write(tmp_path, text))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no decisions at"):
        read_decisions(tmp_path / "none.toml")


ACCEPTED = "[[proposal]]\ntag = 'a'\ninto = 'b'\ndecision = 'accept'\n"


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("ban = ['a']\nkeep = ['a']", r"ban \('a'\).*keep \('a'\)"),
        ("ban = ['a']\n[merge]\na = 'b'", r"ban \('a'\).*\[merge\] \('a' into 'b'\)|merge.*ban"),
        ("ban = ['b']\n[merge]\na = 'b'", r"\[merge\] \('a' into 'b'\).*ban \('b'\)"),
        ("ban = ['c']\n[merge]\na = 'b'\n[rename]\nb = 'c'", r"\[merge\].*ban \('c'\)"),
        ("keep = ['a']\n[rename]\na = 'b'", r"keep \('a'\).*\[rename\]"),
        ("[merge]\na = 'b'\n[rename]\na = 'c'", r"\[merge\].*\[rename\]"),
        ("[merge]\na = 'b'\nb = 'c'\nc = 'a'", r"a -> b -> c -> a"),
        (ACCEPTED + "[merge]\na = 'c'", r"\[merge\].*\[\[proposal\]\]"),
        (ACCEPTED + ACCEPTED.replace("'b'", "'c'"), r"two accepted"),
        (ACCEPTED + ACCEPTED.replace("accept", "reject"), r"is rejected, yet"),
        ("ban = ['b']\n" + ACCEPTED, r"accepted \[\[proposal\]\].*ban"),
    ],
)
def test_contradictions_name_both_places(tmp_path: Path, text: str, places: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=places) as caught:
        read_decisions(path)
    assert str(path) in str(caught.value)


def test_saying_a_thing_twice_is_no_contradiction(tmp_path: Path) -> None:
    decisions = read_decisions(write(tmp_path, ACCEPTED + "[merge]\na = 'b'"))
    assert decisions.merge == {"a": "b"}


def test_chains_are_followed() -> None:
    verdicts = Decisions(merge={"a": "b", "b": "c"}, rename={"c": "d"}).settled(str)
    assert verdicts.moved == {"a": "d", "b": "d", "c": "d"}
