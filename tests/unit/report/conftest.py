"""A whole workspace in a second: real rows and real audio, invented content."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np
import pytest
import soundfile

from earmark.annotate.tag import PARSE_REPORT_FILE, ParseReport
from earmark.annotate.vocabulary import Vocabulary
from earmark.evaluate.base import Comparison
from earmark.records import Caption, Clip, Example, Rejected, Row, Score, TagSet
from earmark.report import write_report
from earmark.report.study import write_study_page
from earmark.tables import count_rejections, write_jsonl, write_parquet
from earmark.workspace import StageFolder, Workspace
from factories import new_example

sys.path.insert(0, str(Path(__file__).parent))
import invented_scores
import invented_study
import invented_tags

HOSTILE = "<script>document.title='owned'</script><img src=x onerror=alert(1)>"
LONG_NAME = "sehr/langer/" + "Übergrößenträger-" * 12 + "録音.wav"
DOMAINS = {
    "music": [
        "melody",
        "piano",
        "tempo",
        "chord",
        "guitar",
        "drum",
        "rhythmic",
        "bright",
        "tonal",
        "synthesizer",
    ],
    "sound": [
        "rain",
        "engine",
        "bark",
        "wind",
        "water",
        "crackle",
        "noisy",
        "footsteps",
        "siren",
        "broadband",
    ],
    "speech": [
        "voice",
        "speaker",
        "female",
        "male",
        "conversation",
        "sentence",
        "clear",
        "narration",
        "calm",
        "pitch",
    ],
}
COMMON = [
    "recording",
    "quiet",
    "loud",
    "indoor",
    "reverberant",
    "steady",
    "short",
    "background",
    "mono",
    "clean",
]
RECIPE = {
    "corpus": {"kind": "folder", "path": "sounds"},
    "seed": 7,
    "max_rejected": 0.5,
    "pretrain": {"steps": 400, "lr": 0.001, "device": None},
    "evaluate": {"tasks": [{"name": "domain", "label": "domain"}]},
}


@dataclass
class Fabricated:
    """Builds the stages of a workspace one after the other."""

    root: Path
    clips: int = 90
    stages: dict[str, StageFolder] = field(default_factory=dict)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(3))

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.root)

    def seal(self, name: str, counts: Mapping[str, int]) -> None:
        inputs = {n: stage.fingerprint for n, stage in self.stages.items() if n != name}
        stage = self.stages[name]
        stage.seal(settings={}, inputs=inputs, counts=counts, duration_s=12.3 * len(inputs))

    def write(self, name: str, file: str, rows: Sequence[Row], kind: type[Row]) -> None:
        write_parquet(self.stages[name].file(file), rows, kind)

    def reject(self, name: str, rows: Sequence[Rejected]) -> dict[str, int]:
        self.write(name, "rejected.parquet", rows, Rejected)
        return count_rejections(rows)


def fabricate(root: Path, until: str = "evaluate", *, clips: int = 90) -> Workspace:
    """Build every stage up to `until` and record the run."""
    made = Fabricated(root, clips)
    for name in BUILDERS:
        made.stages[name] = made.workspace.stage(name, "fabricated")
        with made.stages[name].writing():
            BUILDERS[name](made)
        made.workspace.record_run(RECIPE, made.stages)
        if name == until:
            break
    return made.workspace


@pytest.fixture(scope="session")
def build() -> Callable[..., Workspace]:
    return fabricate


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace whose every stage is done; tests only read it."""
    return fabricate(tmp_path_factory.mktemp("whole") / "workspace")


@pytest.fixture(scope="session")
def page_path(whole) -> Path:
    """The report of the whole workspace; tests only read it."""
    return write_report(whole)


@pytest.fixture(scope="session")
def page(page_path) -> str:
    return page_path.read_text("utf-8")


@pytest.fixture(scope="session")
def invented() -> ModuleType:
    """What makes up vocabularies and audits of any size."""
    return invented_tags


@pytest.fixture(scope="session")
def studies() -> ModuleType:
    """What makes up studies."""
    return invented_study


@pytest.fixture(scope="session")
def study_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an invented study; tests only read it."""
    path = tmp_path_factory.mktemp("study") / "objectives.html"
    return write_study_page(invented_study.study(), path)


@pytest.fixture
def hostile() -> str:
    """Markup that stands in a clip's name, its caption and a rejected row."""
    return HOSTILE


def _corpus(made: Fabricated) -> None:
    lost = made.reject("corpus", [])
    made.seal("corpus", {"in": made.clips + 5, "out": made.clips + 5, **lost})


def _scan(made: Fabricated) -> None:
    audio = made.root / "audio"
    audio.mkdir()
    clips = [_clip(made, index, audio) for index in range(made.clips)]
    lost = [
        Rejected(id=LONG_NAME, stage="scan", reason="undecodable", detail="/data/" + LONG_NAME),
        Rejected(id=HOSTILE, stage="scan", reason="empty", detail=HOSTILE),
        *[Rejected(id=f"copy-{n}.wav", stage="scan", reason="duplicate") for n in range(3)],
    ]
    made.write("scan", "clips.parquet", clips, Clip)
    made.seal("scan", {"in": made.clips + 5, "out": made.clips, **made.reject("scan", lost)})


def _clip(made: Fabricated, index: int, audio: Path) -> Clip:
    domain = list(DOMAINS)[index % 3]
    time_s = np.arange(6000 + 100 * (index % 7)) / 8000
    wave = 0.3 * np.sin(2 * np.pi * (110 + 20 * index) * time_s * (1 + 0.1 * np.sin(9 * time_s)))
    path = audio / f"clip-{index:03d}.wav"
    soundfile.write(path, wave.astype(np.float32), 8000)
    name = {3: LONG_NAME, 4: HOSTILE}.get(
        index, f"{domain}/{DOMAINS[domain][index % 10]}-{index}.wav"
    )
    return Clip(
        path=str(path),
        name=name,
        labels={"domain": (domain,), "kind": (DOMAINS[domain][index % 4],)},
        # Low ids come first among the samples: the awkward names are to be looked at.
        id=f"{index:02d}" + hashlib.sha256(name.encode()).hexdigest()[:30],
        duration_s=len(wave) / 8000,
        sample_rate=8000,
        channels=1,
        peak_dbfs=-10.5,
        loudness_lufs=-17.0,
    )


def _rows(made: Fabricated, stage: str, file: str, kind: type[Any]) -> list[Any]:
    from earmark.tables import read_parquet

    return read_parquet(made.stages[stage].file(file), kind)


def _caption(made: Fabricated) -> None:
    clips = _rows(made, "scan", "clips.parquet", Clip)
    captions = [_captioned(clip) for clip in clips[:-1]]
    lost = [Rejected(id=clips[-1].id, stage="caption", reason="empty answer")]
    made.write("caption", "captions.parquet", captions, Caption)
    counts = {"in": len(clips), "out": len(captions), **made.reject("caption", lost)}
    made.seal("caption", counts)


def _asked(made: Fabricated, stage: str, rows: int) -> None:
    made.reject(stage, [])
    made.seal(stage, {"in": rows, "out": rows})


def _captioned(clip: Clip) -> Caption:
    kind = clip.labels["kind"][0]
    summary = f"A {kind} at a steady level, with a clear pitch and little reverberation."
    if clip.name == HOSTILE:
        summary = f"{HOSTILE} & more."
    text = "The recording is monophonic. " * 6 + "\n\n" + summary
    return Caption(id=clip.id, text=text, summary=summary, backend="fabricated")


def _tag(made: Fabricated) -> None:
    captions = _rows(made, "caption", "captions.parquet", Caption)
    clips = {clip.id: clip for clip in _rows(made, "scan", "clips.parquet", Clip)}
    rows = [_tagged(made, clips[caption.id]) for caption in captions[:-1]]
    lost = [Rejected(id=captions[-1].id, stage="tag", reason="no tags")]
    made.write("tag", "tags.parquet", rows, TagSet)
    report = ParseReport(answers=len(captions), parsed=len(rows), repairs={"fence": 7})
    path = made.stages["tag"].file(PARSE_REPORT_FILE)
    path.write_bytes(msgspec.json.encode(report))
    made.seal("tag", {"in": len(captions), "out": len(rows), **made.reject("tag", lost)})


def _tagged(made: Fabricated, clip: Clip) -> TagSet:
    own = DOMAINS[clip.labels["domain"][0]]
    tags = [*made.rng.choice(own, 3, replace=False), *made.rng.choice(COMMON, 2, replace=False)]
    tags += [f"rare{made.rng.zipf(1.4) % 400}"]
    if clip.name in (HOSTILE, LONG_NAME):
        tags.append("<b>bold</b>")
    return TagSet(id=clip.id, tags=tuple(map(str, tags)), backend="fabricated")


def _vocabulary(made: Fabricated) -> None:
    tag_sets = _rows(made, "tag", "tags.parquet", TagSet)
    frequencies = Counter(tag for row in tag_sets for tag in set(row.tags))
    folder = made.stages["vocabulary"].folder
    counts = invented_tags.write_vocabulary(frequencies, len(tag_sets), 200, folder)
    made.seal("vocabulary", counts)


def _audit(made: Fabricated) -> None:
    vocabulary = Vocabulary.load(made.stages["vocabulary"].file("vocabulary.json"))
    tags = {entry.tag: entry.df for entry in vocabulary.entries}
    invented_tags.write_audit(tags, made.stages["audit"].folder)
    lost = made.reject("audit", [Rejected(id="b", stage="audit", reason="no tags to be read")])
    made.seal("audit", {"in": 400, "out": 399, **lost})


def _manifest(made: Fabricated) -> None:
    clips = {clip.id: clip for clip in _rows(made, "scan", "clips.parquet", Clip)}
    captions = {row.id: row for row in _rows(made, "caption", "captions.parquet", Caption)}
    tag_sets = _rows(made, "tag", "tags.parquet", TagSet)
    vocabulary = Vocabulary.load(made.stages["vocabulary"].file("vocabulary.json"))
    rows = [
        _example(clips[tag_set.id], captions[tag_set.id], tag_set, vocabulary, index)
        for index, tag_set in enumerate(tag_sets)
    ]
    made.write("manifest", "manifest.parquet", rows, Example)
    lost = made.reject("manifest", [])
    made.seal("manifest", {"in": len(tag_sets), "out": len(rows), **lost})


def _example(
    clip: Clip, caption: Caption, tag_set: TagSet, vocabulary: Vocabulary, index: int
) -> Example:
    tags, tag_ids = vocabulary.encode(tag_set.tags)
    return new_example(
        id=clip.id,
        path=clip.path,
        name=clip.name,
        duration_s=clip.duration_s,
        split="test" if index < 12 else "validation" if index < 24 else "train",
        tags=tags,
        tag_ids=tag_ids,
        caption=caption.text,
        summary=caption.summary,
        labels=clip.labels,
    )


def _pretrain(made: Fabricated) -> None:
    folder = made.stages["pretrain"].folder
    steps = range(1, 401)
    rows: list[dict[str, Any]] = [
        {
            "step": step,
            "split": "train",
            "loss": 0.12 + 0.5 * float(np.exp(-step / 60)) + 0.02 * float(made.rng.normal()),
            "lr": 1e-3,
            "audio_s": 100.0 * step,
            "audio_s_per_s": 310.0 + step % 5,
            "padding": 0.03,
            "data_wait": 0.012,
            "epoch": step / 50,
            "processes": 1 if step < 200 else 2,
            "accumulate": 2 if step < 200 else 1,
        }
        for step in steps
    ]
    rows += [
        {"step": step, "split": "validation", "loss": 0.15 + 0.4 * 0.98**step, "map": step / 900}
        for step in steps[99::100]
    ]
    write_jsonl(folder / "log.jsonl", rows)
    _save_small_model(made, folder / "checkpoint")
    clips = len(_rows(made, "manifest", "manifest.parquet", Example))
    counts = {"in": clips, "out": clips - 12, "pretrain: held out for test": 12}
    made.seal("pretrain", counts)


def _save_small_model(made: Fabricated, folder: Path) -> None:
    from earmark.pretrain.build import build_encoder, build_objective
    from earmark.pretrain.checkpoint.checkpoint import Checkpoint, save_checkpoint
    from earmark.pretrain.encoders.config import TransformerConfig
    from earmark.pretrain.objectives.config import TagsConfig
    from earmark.pretrain.objectives.targets import collect_target_specs

    vocabulary = Vocabulary.load(made.stages["vocabulary"].file("vocabulary.json"))
    config = TransformerConfig(dim=32, layers=1, heads=2)
    materials = collect_target_specs([], vocabulary, TagsConfig())
    objective = build_objective(TagsConfig(), materials, dim=32)
    parts = (build_encoder(config), objective, vocabulary, materials)
    save_checkpoint(Checkpoint(*parts, config, TagsConfig(), step=400), folder)


def _evaluate(made: Fabricated) -> None:
    scores = [
        _score(task, encoder, value)
        for task, values in TASKS.items()
        for encoder, value in zip(("random", "trained", "log-mel"), values, strict=True)
    ]
    scores.append(_score("voice", "trained", float("nan"), "too few clips a class: 1"))
    scores += invented_scores.other_scores(HOSTILE)
    invented_scores.write_evaluation(made.stages["evaluate"].folder, HOSTILE)
    comparisons = [
        Comparison(
            task=task,
            better="trained",
            than=than,
            difference=values[1] - values[place],
            low=values[1] - values[place] - 0.04,
            high=values[1] - values[place] + 0.04,
        )
        for task, values in TASKS.items()
        for place, than in ((0, "random"), (2, "log-mel"))
    ]
    made.write("evaluate", "scores.parquet", scores, Score)
    made.write("evaluate", "comparisons.parquet", comparisons, Comparison)
    made.seal("evaluate", {"in": 13, "out": 12, "evaluate: too few clips a class": 1})


TASKS = {
    "domain": (0.71, 0.96, 0.88),
    "kind": (0.42, 0.69, 0.67),
    "voice": (0.30, 0.52, 0.58),
    "instrument": (0.55, 0.74, 0.61),
}


def _score(task: str, encoder: str, value: float, status: str = "ok") -> Score:
    return Score(
        task=task if status == "ok" else f"{task} of unlisted speakers",
        encoder=encoder,
        metric="mAP" if task == "instrument" else "accuracy",
        value=value,
        low=value - 0.05,
        high=min(value + 0.05, 1.0),
        chance=0.34,
        train=420,
        test=140,
        classes=3,
        seed=7,
        status=status,
    )


BUILDERS: dict[str, Callable[[Fabricated], None]] = {
    "corpus": _corpus,
    "scan": _scan,
    "caption-raw": lambda made: _asked(made, "caption-raw", made.clips),
    "caption": _caption,
    "tag-raw": lambda made: _asked(made, "tag-raw", made.clips - 1),
    "tag": _tag,
    "vocabulary": _vocabulary,
    "audit": _audit,
    "manifest": _manifest,
    "pretrain": _pretrain,
    "evaluate": _evaluate,
}
