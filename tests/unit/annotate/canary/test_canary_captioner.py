from __future__ import annotations

from pathlib import Path

import captioner_fakes as fakes
import msgspec
import pytest

from earmark.annotate.backends.base import Backend, Prompt, Refusal
from earmark.annotate.canary import check_captioner
from earmark.annotate.canary.prober import Reply
from earmark.config import ConfigError
from earmark.tables import read_jsonl
from earmark.workspace import StageError

LIMIT_S = 8.0
PROBES = 6 * 3 + 6 * 4 + 1


def attempt(backend: Backend, folder: Path, clips: tuple[Prompt, ...] = ()) -> dict[str, int]:
    return check_captioner(backend, folder, limit_s=LIMIT_S, clips=clips, pause_s=0)


def findings(folder: Path) -> dict[str, bool]:
    summary = msgspec.json.decode((folder / "canary.json").read_bytes())
    return {finding["name"]: finding["stop"] for finding in summary["findings"]}


def test_a_captioner_that_listens_passes(tmp_path: Path) -> None:
    backend = fakes.Listens()
    assert attempt(backend, tmp_path) == {"in": PROBES, "out": PROBES}
    assert findings(tmp_path) == {}
    assert backend.closed


def test_people_can_read_and_hear_what_happened(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    (tmp_path / "answers.jsonl").write_text("torn by a kill")
    attempt(fakes.Limited(), tmp_path)
    replies = list(read_jsonl(tmp_path / "answers.jsonl", Reply))
    assert len(replies) == PROBES
    assert replies[-1].name == "over the limit"
    assert replies[-1].reason == "too long"
    assert all(reply.text for reply in replies[:-1])
    assert len(list((tmp_path / "sounds").glob("*.flac"))) == 7


def test_a_clip_that_is_refused_before_it_is_sent_has_passed(tmp_path: Path) -> None:
    assert attempt(fakes.Limited(), tmp_path) == {"in": PROBES, "out": PROBES}
    assert findings(tmp_path) == {}


@pytest.mark.parametrize(
    ("backend", "name", "words"),
    [
        (fakes.Guesses(), "audio ignored", "do not depend on the audio"),
        (fakes.Says("A steady sound in a room."), "audio ignored", "chat template"),
        (fakes.KnowsLengthOnly(), "audio ignored", "do not depend on the audio"),
        (fakes.Says("I'm sorry, but no audio was provided."), "no audio", "does not reach"),
        (fakes.Says(""), "empty answers", "nothing to say"),
        (fakes.MixesUp(), "batches mixed up", "--max-num-seqs 1"),
        (fakes.MixesUp(rounds=1), "batches mixed up", "in 1 of 4 rounds"),
        (fakes.LosesShort(), "batches mixed up", "in all 4 rounds"),
        (fakes.FailsOver(6), "fails on long clips", "cannot take clips as long"),
        (fakes.FailsOver(6, ill=True), "fails on long clips", "engine is dead"),
        (fakes.FailsOver(9, ill=True), "fails on long clips", "brings the server down"),
        (fakes.FailsOver(9, lost=True), "fails on long clips", "no server for 1800 s"),
        (fakes.Refuses(Refusal(reason="bad request", detail="400: no audio")), "refused", "400"),
        (
            fakes.Refuses(Refusal(reason="timeout", detail="300 s", retryable=True)),
            "refused",
            "3 times",
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Backend) else "",
)
def test_a_fault_stops_the_job(
    backend: fakes.Listens, name: str, words: str, tmp_path: Path
) -> None:
    with pytest.raises(StageError) as caught:
        attempt(backend, tmp_path)
    message = str(caught.value)
    assert f"({name})" in message
    assert words in message
    assert "--no-canary" in message
    assert "answers.jsonl" in message
    assert [found for found, stops in findings(tmp_path).items() if stops] == [name]
    assert backend.closed


@pytest.mark.parametrize(
    ("backend", "name", "short"),
    [
        (fakes.InventsSound(), "silence captioned", 0),
        (fakes.FailsOver(9), "trips over long clips", 1),
        (fakes.RefusesSilence(), "silence refused", 7),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Backend) else "",
)
def test_a_weakness_is_a_warning(
    backend: Backend, name: str, short: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = attempt(backend, tmp_path)
    assert counts["in"] - counts["out"] == short
    assert sum(counts.values()) == 2 * counts["in"]
    assert findings(tmp_path) == {name: False}
    assert f"warning, {name}" in capsys.readouterr().err


def test_a_passing_refusal_is_asked_again(tmp_path: Path) -> None:
    backend = fakes.Refuses(Refusal(reason="server error", retryable=True), times=2)
    assert attempt(backend, tmp_path)["out"] == PROBES
    assert next(read_jsonl(tmp_path / "answers.jsonl", Reply)).attempts == 3


def test_a_refused_set_up_is_not_asked_on(tmp_path: Path) -> None:
    backend = fakes.Refuses(Refusal(reason="bad request"))
    with pytest.raises(StageError):
        attempt(backend, tmp_path)
    assert len(backend.asked) == 1


def test_what_was_said_before_a_wrong_set_up_is_kept(tmp_path: Path) -> None:
    class AsksForAKey(fakes.Listens):
        def answer(self, prompt: Prompt) -> fakes.Completion | Refusal:
            if len(self.asked) > 8:
                raise ConfigError("401: a key is wanted")
            return super().answer(prompt)

    backend = AsksForAKey()
    with pytest.raises(ConfigError, match="a key is wanted"):
        attempt(backend, tmp_path)
    assert len(list(read_jsonl(tmp_path / "answers.jsonl", Reply))) == 8
    assert '"unfinished"' in (tmp_path / "canary.json").read_text()
    assert findings(tmp_path) == {}
    assert backend.closed


def test_a_backend_of_one_slot_is_not_asked_in_batches(tmp_path: Path) -> None:
    class OneAtATime(fakes.Listens):
        concurrency = 1

    assert attempt(OneAtATime(), tmp_path)["in"] == 6 * 3 + 1


def test_no_more_are_in_flight_than_the_backend_wants(tmp_path: Path) -> None:
    class Narrow(fakes.Listens):
        concurrency = 2
        most = 0

        def answer(self, prompt: Prompt) -> fakes.Completion | Refusal:
            self.most = max(self.most, self.in_flight)
            return super().answer(prompt)

    backend = Narrow()
    attempt(backend, tmp_path)
    assert backend.most == 2


def test_clips_of_the_job_stand_in_for_the_made_ones(tmp_path: Path) -> None:
    attempt(fakes.Listens(), tmp_path / "first")
    made = tmp_path / "first" / "sounds"
    clips = (
        Prompt(id="a", audio=str(made / "one.flac"), duration_s=3.0),
        Prompt(id="b", audio=str(made / "long.flac"), start_s=1.0, duration_s=2.5),
    )
    assert attempt(fakes.Listens(), tmp_path / "second", clips)["out"] == PROBES
    sounds = tmp_path / "second" / "sounds"
    assert not (sounds / "one.flac").exists()
    assert (sounds / "silence.flac").exists()
