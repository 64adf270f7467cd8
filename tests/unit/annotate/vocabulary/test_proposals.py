"""Merges that are proposed to people, and the file in which they decide them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from earmark.annotate.vocabulary.decisions import Decisions, Proposal, read_decisions
from earmark.annotate.vocabulary.proposals import (
    find_proposals,
    may_be_same,
    share_stem,
    unshared_words,
    write_proposals,
)

APART = """
slow/fast slow-tempo/fast-tempo loud/quiet male/female male-voice/female-voice high/low
high-pitch/low-pitch major/minor indoor/outdoor young/old melodic/unmelodic voice/voiceless
drums/no-drums stop/non-stop uptempo/downtempo fade-in/fade-out dog/cat guitar/bass
guitar/acoustic-guitar violin/violinist drum/drummer spray/sprayer loud/louder rock/rocks
glass/glasses rain/rainstorm boat/motorboat ambient-music/ambient-sounds
"""

TOGETHER = """
reverb/reverberant reverberation/reverb car/automobile talking/speaking jazz/jazz-music
male-voice/male-vocal noise/noisy melody/melodic aircraft/airplane
"""


class Alike:
    """Holds every text to mean nearly the same: what is not proposed, the rules keep apart."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        vectors = np.ones((len(texts), 4), np.float32)
        vectors[:, 0] += [sum(map(ord, text)) % 7 / 100 for text in texts]
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class Unlike:
    """Holds no two texts to be alike."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.eye(len(texts), 64, dtype=np.float32)


@pytest.mark.parametrize(
    "pair",
    APART.split(),
)
def test_pairs_that_are_never_proposed(pair: str) -> None:
    one, other = pair.split("/")
    assert not may_be_same(one, other)
    assert find_proposals({one: 2, other: 1}, Alike(), Decisions()) == ()


@pytest.mark.parametrize(
    "pair",
    TOGETHER.split(),
)
def test_pairs_that_may_be(pair: str) -> None:
    one, other = pair.split("/")
    (proposal,) = find_proposals({one: 2, other: 1}, Alike(), Decisions())
    assert (proposal.tag, proposal.into, proposal.decision) == (other, one, "")
    assert (proposal.tag_df, proposal.into_df) == (1, 2)


def test_nothing_is_proposed_that_is_not_alike() -> None:
    assert find_proposals({"reverb": 2, "reverberant": 1, "car": 1}, Unlike(), Decisions()) == ()


@pytest.mark.parametrize(
    "decisions",
    [
        Decisions(rejected=frozenset({("AutoMobile", "Car")})),
        Decisions(merge={"Automobile": "motor"}),
        Decisions(rename={"Automobile": "motor"}),
        Decisions(ban=("CAR",)),
        Decisions(keep=("Automobile",)),
    ],
)
def test_what_people_decided_is_known_however_they_spell_it(decisions: Decisions) -> None:
    counts = {"car": 2, "automobile": 1}
    assert find_proposals(counts, Alike(), decisions, normalize=str.lower) == ()


@pytest.mark.parametrize(
    "decisions",
    [
        Decisions(rejected=frozenset({("automobile", "car")})),
        Decisions(merge={"automobile": "car"}),
        Decisions(ban=("car",)),
        Decisions(keep=("automobile",)),
    ],
)
def test_what_people_decided_is_not_proposed_again(decisions: Decisions) -> None:
    assert find_proposals({"car": 2, "automobile": 1}, Alike(), decisions) == ()


def test_a_tag_is_proposed_once_and_order_has_no_influence() -> None:
    counts = {"car": 9, "automobile": 1, "plane": 3, "crying": 4, "sobbing": 4}
    proposals = find_proposals(counts, Alike(), Decisions())
    assert len({proposal.tag for proposal in proposals}) == len(proposals)
    assert find_proposals(dict(reversed(counts.items())), Alike(), Decisions()) == proposals
    assert all(proposal.tag_df <= proposal.into_df for proposal in proposals)


def test_families() -> None:
    assert share_stem("reverb", "reverberation")
    assert share_stem("distorted", "distortion")
    assert not share_stem("percussion", "permission")
    assert not share_stem("drum", "drumline")


def test_what_two_names_do_not_share() -> None:
    assert unshared_words("male-voice", "male-vocals") == ("voice", "vocals")
    assert unshared_words("jazz-music", "jazz") == ("", "")


ONE = Proposal(tag="automobile", into="car", similarity=0.9, tag_df=3, into_df=90)
TWO = Proposal(tag="lady", into="woman", similarity=0.83, tag_df=2, into_df=9)


def test_a_new_file_decides_nothing(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    write_proposals(path, [ONE, TWO])
    assert path.read_text("utf-8").startswith("# What people decided")
    assert read_decisions(path) == Decisions()
    write_proposals(path, [])
    assert "automobile" not in path.read_text("utf-8")


def test_what_people_wrote_survives_letter_by_letter(tmp_path: Path) -> None:
    path = tmp_path / "decisions.toml"
    mine = """# about speech
ban = [
  "untitled",  # a placeholder
]
[[proposal]]
tag = "automobile"
into = "car"
decision = "accept"  # of course

# not yet seen
[[proposal]]
tag = "old"
into = "older"

# a last word
[rename]
hifi = "high-fidelity"
"""
    path.write_text(mine, "utf-8")
    before = read_decisions(path)
    write_proposals(path, [ONE, TWO])
    text = path.read_text("utf-8")
    assert read_decisions(path) == before
    for comment in ("# about speech", "# a placeholder", "# of course", "# a last word"):
        assert comment in text
    assert text.count('"automobile"') == 1
    assert '"old"' not in text
    assert '"lady"' in text
    write_proposals(path, [ONE, TWO])
    assert path.read_text("utf-8") == text
