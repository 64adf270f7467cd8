"""The whole way in order, each step once: what it reads, what settles its result, what it does.

A step is skipped where its fingerprint is done. Its fingerprint covers its settings and those of
everything that it reads, so two recipes that agree up to a point share the work up to there.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from .annotate.backends.acoustic import AcousticConfig
from .annotate.backends.lexical import LexicalConfig
from .annotate.backends.scripted import ScriptedConfig
from .annotate.manifest import ManifestConfig
from .annotate.scan import ScanConfig
from .annotate.vocabulary import VocabularyConfig
from .config import Config, ConfigError, decode, load_toml, nearest, to_plain
from .corpora.folder import FolderConfig
from .corpora.synthetic import SyntheticConfig
from .corpora.table import TableConfig
from .evaluate.check import check_tasks
from .evaluate.config import EvaluateConfig
from .pretrain.config import EncoderConfig, ObjectiveConfig, PretrainConfig
from .records import Caption, Clip, Example, Source, TagSet, read_parquet
from .workspace import Stage, StageError, Workspace

Counts = Mapping[str, int]


class Recipe(Config, frozen=True, kw_only=True):
    """One run from audio to scores; each table is the settings of what it builds.

    Args:
        seed: of the split, the weights, the batches and the probes.
        max_rejected: the share of its clips that a stage may reject before the run stops, 0 to 1.
    """

    corpus: FolderConfig | TableConfig | SyntheticConfig
    seed: int = 0
    max_rejected: float = 0.5
    scan: ScanConfig = ScanConfig()
    captioner: AcousticConfig | ScriptedConfig = AcousticConfig()
    tagger: LexicalConfig | ScriptedConfig = LexicalConfig()
    vocabulary: VocabularyConfig = VocabularyConfig()
    manifest: ManifestConfig = ManifestConfig()
    encoder: EncoderConfig = EncoderConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    pretrain: PretrainConfig = PretrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()


@dataclass(frozen=True)
class Step:
    """One stage of the way.

    `settings` returns all of the recipe that can change the result; `work` gets the folders of
    the steps in `reads` and its own, and returns its counts. `bounded` says that its rows are
    clips, of which the recipe bounds how many may be lost.
    """

    name: str
    reads: tuple[str, ...]
    settings: Callable[[Recipe], Any]
    work: Callable[[Recipe, Mapping[str, Path], Path], Counts]
    bounded: bool = True


def load_recipe(path: str | Path, overrides: tuple[str, ...] | list[str] = ()) -> Recipe:
    """Read a recipe from a TOML file, or a shipped one by name ("demo", "folder", "pack").

    Raises:
        ConfigError: no such recipe, or something in it cannot be right; the message says what.
    """
    file = Path(path)
    shipped = resources.files("earmark") / "recipes"
    names = [entry.name.removesuffix(".toml") for entry in shipped.iterdir()]
    if str(path) in names and not file.is_file():  # `make demo` leaves a folder demo
        with resources.as_file(shipped / f"{path}.toml") as packaged:
            return decode(load_toml(packaged, overrides), Recipe, where=str(path))
    if not file.is_file() and file.suffix != ".toml":
        raise ConfigError(
            f"{path} is neither a file nor a shipped recipe.{nearest(str(path), names)}"
        )
    return decode(load_toml(file, overrides), Recipe, where=str(path))


def run(recipe: Recipe, root: str | Path, *, until: str = "evaluate") -> Workspace:
    """Do every step up to `until` in the workspace `root`; what is done already is not redone.

    Raises:
        ConfigError: the recipe asks for what is not there.
        StageError: a stage rejected too much, or left nothing.
    """
    workspace = Workspace(Path(root))
    stages: dict[str, Stage] = {}
    for step in STEPS:
        inputs = {name: stages[name].fingerprint for name in step.reads}
        settings = step.settings(recipe)
        stage = workspace.stage(step.name, inputs, settings)
        stages[step.name] = stage
        workspace.record_run(to_plain(recipe), stages)
        _do(step, recipe, stages, inputs, settings)
        if step.name == "scan" and recipe.evaluate.tasks:
            _check_tasks(recipe, stage)
        if step.name == until:
            break
    return workspace


def _do(
    step: Step,
    recipe: Recipe,
    stages: Mapping[str, Stage],
    inputs: Mapping[str, str],
    settings: Any,
) -> None:
    stage = stages[step.name]
    if stage.done:
        _say(f"{step.name}: already done ({stage.folder.name})")
    else:
        with stage.writing():
            started_s = time.monotonic()
            folders = {name: stages[name].folder for name in step.reads}
            counts = step.work(recipe, folders, stage.folder)
            duration_s = time.monotonic() - started_s
            stage.seal(settings=settings, inputs=inputs, counts=counts, duration_s=duration_s)
    counts = stage.provenance()["counts"]
    _say(f"{step.name}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    if step.bounded:
        _check(step.name, counts, recipe.max_rejected)


def _check(name: str, counts: Counts, max_rejected: float) -> None:
    """Stop where a stage left nothing or rejected more than the recipe allows."""
    given, passed = counts["in"], counts["out"]
    reasons = ", ".join(f"{n} {why}" for why, n in counts.items() if why not in ("in", "out"))
    if passed == 0:
        raise StageError(f"{name}: nothing of {given} rows was left ({reasons or 'none came in'})")
    if given - passed > max_rejected * given:
        raise StageError(
            f"{name}: {given - passed} of {given} rows were rejected ({reasons}); the recipe "
            f"allows {max_rejected:.0%}. Look at rejected.parquet, or raise max_rejected."
        )


def _check_tasks(recipe: Recipe, scan: Stage) -> None:
    """Find a probe on a label that no clip has before hours go into captions."""
    clips = read_parquet(scan.file("clips.parquet"), Clip)
    check_tasks(recipe.evaluate.tasks, [clip.labels for clip in clips])


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _corpus(recipe: Recipe, reads: Mapping[str, Path], folder: Path) -> Counts:
    from .corpora.base import list_corpus

    return list_corpus(recipe.corpus.build(), folder)


def _scan(recipe: Recipe, reads: Mapping[str, Path], folder: Path) -> Counts:
    from .annotate.scan import scan

    sources = read_parquet(reads["corpus"] / "sources.parquet", Source)
    return scan(sources, recipe.scan, folder)


def _caption(recipe: Recipe, reads: Mapping[str, Path], folder: Path) -> Counts:
    from .annotate.caption import caption

    clips = read_parquet(reads["scan"] / "clips.parquet", Clip)
    with closing(recipe.captioner.build()) as backend:
        return caption(clips, backend, folder)


def _tag(recipe: Recipe, reads: Mapping[str, Path], folder: Path) -> Counts:
    from .annotate.tag import tag

    captions = read_parquet(reads["caption"] / "captions.parquet", Caption)
    with closing(recipe.tagger.build()) as backend:
        return tag(captions, backend, folder)


def _vocabulary(recipe: Recipe, reads: Mapping[str, Path], folder: Path) -> Counts:
    from .annotate.vocabulary import write_vocabulary

    tag_sets = read_parquet(reads["tag"] / "tags.parquet", TagSet)
    return write_vocabulary(tag_sets, recipe.vocabulary, folder)


def _manifest(recipe: Recipe, reads: Mapping[str, Path], folder: Path) -> Counts:
    from .annotate.manifest import assemble
    from .annotate.vocabulary import Vocabulary

    return assemble(
        read_parquet(reads["scan"] / "clips.parquet", Clip),
        read_parquet(reads["caption"] / "captions.parquet", Caption),
        read_parquet(reads["tag"] / "tags.parquet", TagSet),
        Vocabulary.load(reads["vocabulary"] / "vocabulary.json"),
        recipe.manifest,
        folder,
        seed=recipe.seed,
    )


def _pretrain(recipe: Recipe, reads: Mapping[str, Path], folder: Path) -> Counts:
    from .annotate.vocabulary import Vocabulary
    from .pretrain.loop import pretrain

    return pretrain(
        read_parquet(reads["manifest"] / "manifest.parquet", Example),
        Vocabulary.load(reads["vocabulary"] / "vocabulary.json"),
        recipe.encoder,
        recipe.objective,
        recipe.pretrain,
        folder,
        seed=recipe.seed,
    )


def _evaluate(recipe: Recipe, reads: Mapping[str, Path], folder: Path) -> Counts:
    from .evaluate.run import evaluate

    examples = read_parquet(reads["manifest"] / "manifest.parquet", Example)
    checkpoint = reads["pretrain"] / "checkpoint"
    return evaluate(examples, checkpoint, recipe.evaluate, folder, seed=recipe.seed)


STEPS = (
    Step(
        "corpus",
        (),
        lambda recipe: recipe.corpus.build().fingerprint(),
        _corpus,
        bounded=False,  # a folder may hold any number of files that are no audio
    ),
    Step("scan", ("corpus",), lambda recipe: replace(recipe.scan, workers=0), _scan),
    Step("caption", ("scan",), lambda recipe: _fingerprint(recipe.captioner), _caption),
    Step("tag", ("caption",), lambda recipe: _fingerprint(recipe.tagger), _tag),
    Step("vocabulary", ("tag",), lambda recipe: recipe.vocabulary, _vocabulary, bounded=False),
    Step(
        "manifest",
        ("scan", "caption", "tag", "vocabulary"),
        lambda recipe: (recipe.manifest, recipe.seed),
        _manifest,
    ),
    Step(
        "pretrain",
        ("manifest", "vocabulary"),
        lambda recipe: (
            *(recipe.encoder, recipe.objective, recipe.seed),
            replace(recipe.pretrain, workers=0),
        ),
        _pretrain,
        bounded=False,
    ),
    Step(
        "evaluate",
        ("manifest", "pretrain"),
        lambda recipe: (recipe.evaluate, recipe.seed),
        _evaluate,
        bounded=False,
    ),
)
STAGES = tuple(step.name for step in STEPS)


def _fingerprint(config: AcousticConfig | LexicalConfig | ScriptedConfig) -> str:
    with closing(config.build()) as backend:
        return backend.fingerprint
