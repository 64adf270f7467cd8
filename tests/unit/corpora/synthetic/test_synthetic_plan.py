"""What the default corpus holds, decided without a single sample."""

from collections import Counter, defaultdict

import pytest

from earmark.corpora.synthetic.effects import EFFECTS
from earmark.corpora.synthetic.instruments import INSTRUMENTS
from earmark.corpora.synthetic.plan import ClipPlan, MusicPart, plan_clip
from earmark.corpora.synthetic.sounds import SOUNDS
from earmark.corpora.synthetic.speech import VOICES, list_speakers

CLIPS = 720


@pytest.fixture(scope="module")
def plans() -> list[ClipPlan]:
    return [plan_clip(0, index, 3.0, 8.0) for index in range(CLIPS)]


def values(plans: list[ClipPlan], field: str) -> Counter[str]:
    return Counter(value for plan in plans for value in plan.labels().get(field, ()))


def test_domains_have_their_shares(plans: list[ClipPlan]):
    assert values(plans, "domain") == {"speech": 252, "music": 216, "sound": 144, "mix": 108}


@pytest.mark.parametrize(
    ("field", "classes", "fewest"),
    [
        ("voice", set(VOICES), 30),
        ("instrument", {*INSTRUMENTS, "drums"}, 18),
        ("sound", set(SOUNDS), 9),
        ("production", set(EFFECTS), 72),
        ("tempo", {"slow", "medium", "fast"}, 80),
        ("mode", {"major", "minor"}, 100),
        ("drums", {"yes", "no"}, 100),
        ("gender", {"male", "female"}, 80),
    ],
)
def test_every_class_comes_often_enough(
    plans: list[ClipPlan], field: str, classes: set[str], fewest: int
):
    counted = values(plans, field)
    assert set(counted) == classes
    assert min(counted.values()) >= fewest


def test_half_of_the_clips_have_a_production_trait(plans: list[ClipPlan]):
    assert values(plans, "production")["clean"] == CLIPS // 2


def test_labels_are_complete(plans: list[ClipPlan]):
    wanted = {
        "speech": {"voice", "language"},
        "music": {"instrument", "tempo", "drums"},
        "sound": {"sound"},
        "mix": set[str](),
    }
    for plan in plans:
        labels = plan.labels()
        assert {"domain", "production", *wanted[plan.kind]} <= set(labels)
        assert len(plan.parts) == (2 if plan.kind == "mix" else 1)
        assert ("voice" in labels) == (plan.speaker is not None)
        kit_alone = labels.get("instrument") == ("drums",)
        assert ("mode" in labels) == ("instrument" in labels and not kit_alone)


def test_a_voice_or_language_is_never_a_single_speaker(plans: list[ClipPlan]):
    heard: dict[str, set[str]] = defaultdict(set)
    for plan in plans:
        for field in ("voice", "language"):
            for value in plan.labels().get(field, ()):
                heard[value].add(str(plan.speaker))
    assert min(len(names) for names in heard.values()) >= 3
    assert len(set[str]().union(*heard.values())) >= 24
    assert len({speaker.name for speaker in list_speakers()}) == len(list_speakers())


def test_only_takes_of_one_composition_share_a_recording(plans: list[ClipPlan]):
    together: dict[str, list[ClipPlan]] = defaultdict(list)
    for plan in plans:
        together[plan.recording].append(plan)
    shared = [group for group in together.values() if len(group) > 1]
    assert 3 <= len(shared) <= 20
    for group in shared:
        assert len(group) == 2
        parts = [plan.parts[0] for plan in group]
        assert all(isinstance(part, MusicPart) for part in parts)
        assert len({(part.composition, part.tempo, part.mode) for part in parts}) == 1  # pyright: ignore


def test_mixes_take_up_no_composition_of_the_pure_clips(plans: list[ClipPlan]):
    of_kind: dict[bool, set[int]] = {True: set(), False: set()}
    for plan in plans:
        for part in plan.parts:
            if isinstance(part, MusicPart):
                of_kind[plan.kind == "mix"].add(part.composition)
    assert not of_kind[True] & of_kind[False]
