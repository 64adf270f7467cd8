"""Captioners that listen with simple measures, and others with one fault each."""

from __future__ import annotations

import asyncio
from random import Random

import numpy as np

from earmark.annotate.backends.base import NOTHING_DISCOVERED, Backend, Completion, Prompt, Refusal
from earmark.audio import load
from earmark.workspace import StageError

KINDS = {
    "silence": "silent silence nothing inaudible empty still absent void mute soundless",
    "noise": "static hiss white broadband rushing noise waterfall constant untuned hissing",
    "melody": "tune plucked melody music guitar chord gentle arpeggio kalimba notes",
    "knocks": "knocking door wood rhythm drum thud percussive strikes hammer dull",
    "bell": "bell chime ringing metallic resonant strike decay church toll shimmering",
    "siren": "siren alarm emergency vehicle urgent ambulance alternating police wailing horn",
}
SHARED = "recording clip background microphone close room quality listener clear short steady"


def kind_of(prompt: Prompt) -> str:
    wave = load(str(prompt.audio), 16_000, start_s=prompt.start_s, duration_s=prompt.duration_s)
    level = float(np.sqrt(np.mean(wave**2)))
    if level < 1e-3:
        return "silence"
    power = np.abs(np.fft.rfft(wave)) ** 2 + 1e-12
    if np.exp(np.log(power).mean()) / power.mean() > 0.3:
        return "noise"
    blocks = np.sqrt(np.mean(wave[: len(wave) // 800 * 800].reshape(-1, 800) ** 2, axis=1))
    peak_hz = np.argmax(power) * 16_000 / len(wave)
    if np.median(blocks) < 0.3 * level:
        return "knocks"
    if peak_hz > 800:
        return "bell"
    return "siren" if blocks.std() < 0.1 * level else "melody"


def wording(kind: str, random: Random) -> str:
    """Return a caption in words that vary: six of ten of its own, six of those of any."""
    own = random.sample(KINDS[kind].split(), 6)
    words = [*own, *random.sample(SHARED.split(), 6)]
    random.shuffle(words)
    return f"The audio is {', '.join(words)}. In summary, it is {own[0]} and {own[1]}."


class Listens(Backend):
    """Describes what it hears, each time in other words."""

    fingerprint = "listens"
    concurrency = 8
    needs_canary = True
    discovered = NOTHING_DISCOVERED

    def __init__(self, seed: int = 0) -> None:
        self.random = Random(seed)
        self.asked: list[str] = []
        self.in_flight = 0
        self.closed = False

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        self.asked.append(prompt.id)
        self.in_flight += 1
        try:
            await asyncio.sleep(0)
            return self.answer(prompt)
        finally:
            self.in_flight -= 1

    def answer(self, prompt: Prompt) -> Completion | Refusal:
        return Completion(text=wording(kind_of(prompt), self.random))

    async def aclose(self) -> None:
        self.closed = True


class Limited(Listens):
    """Refuses what is over its limit before it is sent, as backends do."""

    def answer(self, prompt: Prompt) -> Completion | Refusal:
        assert prompt.duration_s is not None
        if prompt.duration_s > 8:
            return Refusal(reason="too long", detail="12 s, limit 8 s")
        return Completion(text=wording(kind_of(prompt), self.random))


class Guesses(Listens):
    """Makes captions up, each about anything."""

    def answer(self, prompt: Prompt) -> Completion | Refusal:
        return Completion(text=wording(self.random.choice(list(KINDS)), self.random))


class Says(Listens):
    """Says one thing."""

    def __init__(self, text: str, finish_reason: str = "stop") -> None:
        super().__init__()
        self.text, self.finish_reason = text, finish_reason

    def answer(self, prompt: Prompt) -> Completion | Refusal:
        return Completion(text=self.text, finish_reason=self.finish_reason)


class KnowsLengthOnly(Listens):
    """A greedy model that gets as many placeholders as the audio is long, and no audio."""

    def answer(self, prompt: Prompt) -> Completion | Refusal:
        return Completion(text=wording("melody", Random(prompt.duration_s)))


class MixesUp(Listens):
    """Gives answers in flight together to the next request."""

    def __init__(self, seed: int = 0, rounds: int = 4) -> None:
        super().__init__(seed)
        self.rounds = rounds
        self.waiting: list[tuple[Prompt, asyncio.Future[Completion]]] = []

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((prompt, future))
        await asyncio.sleep(0)
        if self.waiting:
            batch, self.waiting = self.waiting, []
            texts = [wording(kind_of(each), self.random) for each, _ in batch]
            if len(batch) > 1 and self.rounds > 0:
                self.rounds -= 1
                texts[0], texts[1] = texts[1], texts[0]
            for (_, waiting), text in zip(batch, texts, strict=True):
                waiting.set_result(Completion(text=text))
        return await future


class LosesShort(Listens):
    """Garbles a short clip whenever a longer one is in flight."""

    async def generate(self, prompt: Prompt) -> Completion | Refusal:
        self.in_flight += 1
        await asyncio.sleep(0)
        crowded = self.in_flight > 1
        await asyncio.sleep(0)
        self.in_flight -= 1
        if crowded and prompt.duration_s is not None and prompt.duration_s <= 2:
            return Completion(text="Muffled padding zeroes stretch over blurred pauses.")
        return self.answer(prompt)


class FailsOver(Listens):
    """Answers 500 to clips longer than a limit, and then to everything where it falls ill."""

    def __init__(self, limit_s: float, *, ill: bool = False, lost: bool = False) -> None:
        super().__init__()
        self.limit_s, self.falls_ill, self.is_lost, self.ill = limit_s, ill, lost, False

    def answer(self, prompt: Prompt) -> Completion | Refusal:
        assert prompt.duration_s is not None
        if prompt.duration_s > self.limit_s:
            self.ill = self.falls_ill
            if self.is_lost:
                raise StageError("no server for 1800 s")
            return Refusal(reason="server error", detail="500: out of memory", retryable=True)
        if self.ill:
            return Refusal(reason="server error", detail="500: engine is dead", retryable=True)
        return Completion(text=wording(kind_of(prompt), self.random))


class InventsSound(Listens):
    """Hears music in silence."""

    def answer(self, prompt: Prompt) -> Completion | Refusal:
        kind = kind_of(prompt)
        if kind == "silence":
            return Completion(text="A violin plays a sad tune while a woman speaks of her youth.")
        return Completion(text=wording(kind, self.random))


class Refuses(Listens):
    """Refuses every request, or the first `times` of them."""

    def __init__(self, refusal: Refusal, times: int = 10**6) -> None:
        super().__init__()
        self.refusal, self.left = refusal, times

    def answer(self, prompt: Prompt) -> Completion | Refusal:
        self.left -= 1
        if self.left >= 0:
            return self.refusal
        return Completion(text=wording(kind_of(prompt), self.random))


class RefusesSilence(Listens):
    """Answers 400 to silence."""

    def answer(self, prompt: Prompt) -> Completion | Refusal:
        kind = kind_of(prompt)
        if kind == "silence":
            return Refusal(reason="bad request", detail="400: no signal")
        return Completion(text=wording(kind, self.random))
