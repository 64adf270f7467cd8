"""Tiny made copies of the named datasets, laid out as the real ones are."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

Maker = Callable[[Path], None]
LISTS = {"train": "train", "validation": "valid", "test": "test"}
SPLIT_SIZES = {"train": 3, "validation": 1, "test": 2}
"""Clips of each of two classes."""


def sound(path: Path) -> None:
    """Write 0.1 s of noise that no other path has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = [*str(path).encode()]
    wave = np.random.default_rng(seed).uniform(-0.5, 0.5, 800)
    soundfile.write(path, wave, 8000)


def table(path: Path, rows: Iterable[Iterable[object]], delimiter: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def lines(path: Path, texts: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in texts))


def planned(*classes: str) -> Iterable[tuple[int, str, str]]:
    """Yield (number, split, class) for six clips of each class."""
    number = 0
    for split, size in SPLIT_SIZES.items():
        for each in classes:
            for _ in range(size):
                number += 1
                yield number, split, each


def esc50(folder: Path) -> None:
    rows = [["filename", "fold", "target", "category", "esc10", "src_file", "take"]]
    for fold in "12345":
        for target, category in enumerate(["dog", "rain"]):
            name = f"{fold}-{100 + target}-A-{target}.wav"
            rows.append([name, fold, str(target), category, "True", f"{fold}{target}", "A"])
            sound(folder / "audio" / name)
    table(folder / "meta/esc50.csv", rows)


def fsd50k(folder: Path) -> None:
    dev, evaluation = [["fname", "labels", "mids", "split"]], [["fname", "labels", "mids"]]
    for number, split, labels in planned("Bark,Dog", "Meow,Cat"):
        part = "eval" if split == "test" else "dev"
        sound(folder / f"FSD50K.{part}_audio/{number}.wav")
        row = [str(number), labels, "/m/1,/m/2"]
        if part == "eval":
            evaluation.append(row)
        else:
            dev.append([*row, "val" if split == "validation" else split])
    table(folder / "FSD50K.ground_truth/dev.csv", dev)
    table(folder / "FSD50K.ground_truth/eval.csv", evaluation)


def vggsound(folder: Path) -> None:
    rows: list[list[str]] = []
    for number, split, label in planned("dog barking", "playing violin, fiddle"):
        rows.append([f"-vid_{number}", "30", label, "test" if split == "test" else "train"])
        sound(folder / f"audio/-vid_{number}_000030.flac")
    table(folder / "vggsound.csv", rows)


def voxceleb2(folder: Path) -> None:
    for speaker in ("id00012", "id00015"):
        for video in "abcde":
            sound(folder / f"dev/aac/{speaker}/{video}/00001.wav")


def voxceleb1(folder: Path) -> None:
    part = {"train": 1, "validation": 2, "test": 3}
    listed: list[str] = []
    for number, split, speaker in planned("id10001", "id10002"):
        listed.append(f"{part[split]} {speaker}/video{number}/00001.wav")
        sound(folder / f"wav/{speaker}/video{number}/00001.wav")
    lines(folder / "iden_split.txt", listed)


def crema_d(folder: Path) -> None:
    for actor in range(1001, 1006):
        for emotion in ("ANG", "SAD"):
            sound(folder / f"AudioWAV/{actor}_DFA_{emotion}_XX.wav")


def ravdess(folder: Path) -> None:
    for actor in range(1, 6):
        for emotion in ("01", "08"):
            for channel in ("01", "02"):  # 02 is sung
                name = f"03-{channel}-{emotion}-01-01-01-{actor:02}.wav"
                sound(folder / f"Actor_{actor:02}/{name}")


def magnatagatune(folder: Path) -> None:
    part = {"train": "0", "validation": "c", "test": "f"}
    rows = [["clip_id", "no voice", "guitar", "mp3_path"]]
    for number, split, tag in planned("no voice", "guitar"):
        path = f"{part[split]}/someone-album-0{number}-a_song-0-29.mp3"
        rows.append([str(number), str(int(tag == "no voice")), str(int(tag == "guitar")), path])
        sound(folder / "mp3" / path)
    rows.append(["99", "0", "0", "0/someone-album-99-without_tags-0-29.mp3"])
    table(folder / "annotations_final.csv", rows, delimiter="\t")


def nsynth(folder: Path) -> None:
    notes: dict[str, dict[str, object]] = {"train": {}, "valid": {}, "test": {}}
    for number, split, family in planned("bass", "flute"):
        name = f"{family}_acoustic_{number:03}-060-100"
        fact = {
            "note": number,
            "instrument_str": f"{family}_acoustic_{number:03}",
            "instrument_family_str": family,
            "qualities": [0, 1],
        }
        notes[LISTS[split]][name] = fact
        sound(folder / f"nsynth-{LISTS[split]}/audio/{name}.wav")
    for part, found in notes.items():
        (folder / f"nsynth-{part}/examples.json").write_text(json.dumps(found))


def librispeech(folder: Path) -> None:
    readers = [";ID  |SEX| SUBSET           |MINUTES| NAME"]
    parts = {"train-clean-100": 5, "dev-clean": 1, "test-clean": 1}
    for number, (part, chapters) in enumerate(parts.items()):
        for speaker, sex in ((10 + number, "F"), (20 + number, "M")):
            readers.append(f"{speaker:<5}| {sex} | {part:<17}| 25.03 | A | B")
            for chapter in range(chapters):
                for clip in range(2):
                    name = f"{speaker}-{chapter}-{clip:04}.flac"
                    sound(folder / f"LibriSpeech/{part}/{speaker}/{chapter}/{name}")
                lines(folder / f"LibriSpeech/{part}/{speaker}/{chapter}/a.trans.txt", ["text"])
    lines(folder / "LibriSpeech/SPEAKERS.TXT", readers)


def fsdkaggle2018(folder: Path) -> None:
    header = ["fname", "label", "manually_verified", "freesound_id", "license"]
    train, test = [header], [["fname", "label", "usage", "freesound_id", "license"]]
    for number, split, label in planned("Flute", "Hi-hat"):
        part, rows = ("test", test) if split == "test" else ("train", train)
        rows.append([f"{number:08x}.wav", label, "1", str(number), "CC0"])
        sound(folder / f"FSDKaggle2018.audio_{part}/{number:08x}.wav")
    table(folder / "FSDKaggle2018.meta/train_post_competition.csv", train)
    table(folder / "FSDKaggle2018.meta/test_post_competition_scoring_clips.csv", test)


def gtzan(folder: Path) -> None:
    listed: dict[str, list[str]] = {split: [] for split in LISTS}
    for number, split, genre in planned("blues", "jazz"):
        listed[split].append(f"{genre}/{genre}.{number:05}.wav")
        sound(folder / f"genres/{genre}/{genre}.{number:05}.au")
    for split, names in listed.items():
        lines(folder / f"{LISTS[split]}_filtered.txt", names)


def speech_commands(folder: Path) -> None:
    listed: dict[str, list[str]] = {split: [] for split in LISTS}
    for number, split, word in planned("bed", "yes"):
        listed[split].append(f"{word}/{number:08x}_nohash_0.wav")
        sound(folder / listed[split][-1])
    sound(folder / "_background_noise_/pink_noise.wav")
    lines(folder / "validation_list.txt", listed["validation"])
    lines(folder / "testing_list.txt", listed["test"])


MAKERS: dict[str, Maker] = {
    "esc50": esc50,
    "fsd50k": fsd50k,
    "vggsound": vggsound,
    "voxceleb2": voxceleb2,
    "voxceleb1": voxceleb1,
    "crema-d": crema_d,
    "ravdess": ravdess,
    "magnatagatune": magnatagatune,
    "nsynth": nsynth,
    "librispeech-speaker": librispeech,
    "librispeech-gender": librispeech,
    "fsdkaggle2018": fsdkaggle2018,
    "gtzan": gtzan,
    "speech-commands": speech_commands,
}


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[str], Path]:
    """Make a copy of a dataset in tmp_path/<folder>; returns that folder."""
    from earmark.evaluate.dataset_registry import dataset_folder

    def make(name: str) -> Path:
        folder = tmp_path / dataset_folder(name)
        MAKERS[name](folder)
        return folder

    return make
