"""The whole way in order, each step once: what it reads, what settles its result, what it does."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from .annotate.backends.chat import TAG_INSTRUCTION, TAG_SCHEMA, ChatConfig
from .annotate.backends.configs import TaggerConfig, told_name
from .annotate.backends.endpoint import EndpointConfig
from .annotate.backends.vllm import VllmConfig
from .annotate.execute.job import BackendConfig, Job
from .annotate.reading import lint, summary, tag_parser
from .pretrain.config import shaping
from .pretrain.loop.distributed import world_from_environment
from .recipe import Recipe
from .records import Caption, Clip, Example, Score, Source, TagSet, read_parquet

CANARY_S = 30.0
"""The long clip that a captioner is tried on which does not say what it takes, seconds."""

CANARY_PATIENCE_S = 120.0

Counts = Mapping[str, int]
Folders = Mapping[str, Path]


@dataclass(frozen=True)
class Step:
    """One stage of the way.

    `settings` returns all of the recipe that can change the result; `work` gets the folders of
    the steps in `reads` and its own, and returns its counts. `bounded` says that its rows are
    clips, of which the recipe bounds how many may be lost. A step that asks a backend has a `job`,
    of which single shards can be done elsewhere. One that `tries` the backend of such a step is
    left out where that is done, or the user says so. `wanted` says whether a recipe has the step
    at all; one that is `aside` is read by no other, and done only where it is asked for. `check`
    raises for what can be known to be missing before the first step is done.
    `recorded` returns what provenance.json tells of the settings, where these are a fingerprint.
    """

    name: str
    reads: tuple[str, ...]
    settings: Callable[[Recipe], Any]
    work: Callable[[Recipe, Folders, Path], Counts]
    bounded: bool = True
    job: Callable[[Recipe, Folders, Path], Job] | None = None
    tries: str = ""
    recorded: Callable[[Recipe], Any] | None = None
    wanted: Callable[[Recipe], bool] = lambda recipe: True
    aside: bool = False
    check: Callable[[Recipe], None] = lambda recipe: None


def _corpus(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .corpora.base import list_corpus

    return list_corpus(recipe.corpus.build(), folder)


def _scan(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .annotate.scan import scan

    sources = read_parquet(reads["corpus"] / "sources.parquet", Source)
    return scan(sources, recipe.scan, folder)


def _try_captioner(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .annotate.canary import try_captioner

    captioner = _impatient(recipe.captioner)
    limit_s = captioner.max_audio_s if isinstance(captioner, ChatConfig) else CANARY_S
    return try_captioner(captioner.build(), folder, limit_s=limit_s)


def _captioner(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .annotate.execute.run import answer_all

    return answer_all(_caption_job(recipe, reads, folder), recipe.execute)


def _caption_job(recipe: Recipe, reads: Folders, folder: Path) -> Job:
    from .annotate.caption import caption_job

    clips = reads["scan"] / "clips.parquet"
    return caption_job(clips, recipe.captioner, recipe.lint, _instruction(recipe.captioner), folder)


def _caption(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .annotate.caption import write_captions

    instruction = _instruction(recipe.captioner)
    return write_captions(reads["captioner"], recipe.lint, instruction, folder)


def _try_tagger(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .annotate.canary import try_tagger
    from .annotate.tag import readable

    return try_tagger(_impatient(recipe.tagger).build(), folder, readable=readable)


def _tagger(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .annotate.execute.run import answer_all

    return answer_all(_tag_job(recipe, reads, folder), recipe.execute)


def _tag_job(recipe: Recipe, reads: Folders, folder: Path) -> Job:
    from .annotate.tag import tag_job

    return tag_job(reads["caption"] / "captions.parquet", recipe.tagger, folder)


def _tag(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .annotate.tag import read_parse_report, write_tags

    counts = write_tags(reads["tagger"], folder)
    print(read_parse_report(folder), file=sys.stderr, flush=True)
    return counts


def _vocabulary(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .annotate.vocabulary.build import write_vocabulary
    from .annotate.vocabulary.facts import Facts

    counts = write_vocabulary([reads["tag"] / "tags.parquet"], recipe.vocabulary, folder)
    for line in Facts.load(folder).sentences:
        print(f"vocabulary: {line}", file=sys.stderr, flush=True)
    return counts


def _audit(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .annotate.audit.run import audit
    from .annotate.vocabulary import Vocabulary

    return audit(
        reads["scan"] / "clips.parquet",
        reads["tag"] / "tags.parquet",
        Vocabulary.load(reads["vocabulary"] / "vocabulary.json"),
        recipe.audit,
        recipe.tagger,
        recipe.execute,
        folder,
        seed=recipe.seed,
    )


def _manifest(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
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


def _pretrain(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .annotate.manifest import licences_used
    from .annotate.vocabulary import Vocabulary
    from .pretrain.checkpoints.card import describe_data
    from .pretrain.checkpoints.cards import write_cards
    from .pretrain.loop.run import pretrain

    examples = read_parquet(reads["manifest"] / "manifest.parquet", Example)
    vocabulary = Vocabulary.load(reads["vocabulary"] / "vocabulary.json")
    settings = (recipe.encoder, recipe.objective, recipe.pretrain)
    counts = pretrain(examples, vocabulary, *settings, folder, seed=recipe.seed)
    if world_from_environment().is_first:
        data = describe_data(
            examples,
            licences=licences_used(reads["manifest"]),
            captioner=told_name(recipe.captioner),
            tagger=told_name(recipe.tagger),
        )
        write_cards(folder, data, recipe.pretrain, counts, seed=recipe.seed)
    return counts


def _evaluate(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    from .evaluate.base import Comparison
    from .evaluate.card import add_probes
    from .evaluate.run import evaluate

    examples = read_parquet(reads["manifest"] / "manifest.parquet", Example)
    checkpoint = reads["pretrain"] / "checkpoint"
    counts = evaluate(examples, checkpoint, recipe.evaluate, folder, seed=recipe.seed)
    scores = read_parquet(folder / "scores.parquet", Score)
    # Of a finished stage the card alone is written anew; nothing reads it.
    add_probes(checkpoint, scores, read_parquet(folder / "comparisons.parquet", Comparison))
    return counts


def _captioner_settings(recipe: Recipe) -> Any:
    return _fingerprint(recipe.captioner)


def _vocabulary_settings(recipe: Recipe) -> Any:
    """Return what is chosen, by which rules, and what people decided, wherever that is written."""
    from .annotate.vocabulary.rules import digest

    settings = replace(recipe.vocabulary, decisions="", frozen="")
    return settings, digest(recipe.vocabulary)


def _check_audit(recipe: Recipe) -> None:
    from .annotate.audit.check import check

    check(recipe.audit)


def _audit_settings(recipe: Recipe) -> Any:
    """Return what is compared with what, and all that can change either side of it."""
    from .annotate.audit import results
    from .annotate.audit.texts import inputs_digest

    against = recipe.audit.against
    other = None if against is None else _asked(against)
    settings = replace(recipe.audit, against=None), inputs_digest(recipe.audit)
    return *settings, _asked(recipe.tagger), other, recipe.seed, results.VERSION


def _tagger_settings(recipe: Recipe) -> Any:
    return _asked(recipe.tagger)


def _asked(tagger: TaggerConfig) -> Any:
    """Return what a tagger is, and what every chat model is asked beyond its own settings."""
    asked = (TAG_INSTRUCTION, TAG_SCHEMA) if isinstance(tagger, ChatConfig) else None
    return _fingerprint(tagger), asked


STEPS = (
    Step(
        "corpus",
        (),
        lambda recipe: recipe.corpus.build().fingerprint(),
        _corpus,
        bounded=False,  # a folder may hold any number of files that are no audio
    ),
    Step("scan", ("corpus",), lambda recipe: replace(recipe.scan, workers=0), _scan),
    Step(
        "try-captioner",
        (),
        _captioner_settings,
        _try_captioner,
        recorded=lambda recipe: recipe.captioner,
        bounded=False,
        tries="captioner",
        wanted=lambda recipe: _needs_canary(recipe.captioner),
    ),
    Step(
        "captioner",
        ("scan",),
        _captioner_settings,
        _captioner,
        recorded=lambda recipe: recipe.captioner,
        job=_caption_job,
    ),
    Step(
        "caption",
        ("captioner",),
        lambda recipe: (recipe.lint, lint.VERSION, summary.VERSION),
        _caption,
    ),
    Step(
        "try-tagger",
        (),
        _tagger_settings,
        _try_tagger,
        recorded=lambda recipe: recipe.tagger,
        bounded=False,
        tries="tagger",
        wanted=lambda recipe: _needs_canary(recipe.tagger),
    ),
    Step(
        "tagger",
        ("caption",),
        _tagger_settings,
        _tagger,
        recorded=lambda recipe: recipe.tagger,
        job=_tag_job,
    ),
    Step("tag", ("tagger",), lambda recipe: tag_parser.VERSION, _tag),
    Step("vocabulary", ("tag",), _vocabulary_settings, _vocabulary, bounded=False),
    Step(
        "audit",
        ("scan", "tag", "vocabulary"),
        _audit_settings,
        _audit,
        bounded=False,
        aside=True,
        check=_check_audit,
        recorded=lambda recipe: recipe.audit,
    ),
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
            shaping(recipe.pretrain),
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
STAGES = tuple(step.name for step in STEPS if not step.tries and not step.aside)
"""Every stage of the way of a recipe whose backends are embedded."""


def _instruction(config: BackendConfig) -> str:
    """Return the words that a captioner is sent beside the audio."""
    return f"{config.system}\n{config.instruction}" if isinstance(config, ChatConfig) else ""


def _impatient(config: BackendConfig) -> BackendConfig:
    """Return the settings with which a server is tried: one that dies of it is soon told."""
    if not isinstance(config, EndpointConfig):
        return config
    return replace(config, patience_s=min(config.patience_s, CANARY_PATIENCE_S))


def _fingerprint(config: BackendConfig) -> str:
    """Return what a backend would be; what is served is not built for that, and needs no key."""
    if isinstance(config, EndpointConfig | VllmConfig):
        return config.fingerprint
    return config.build().fingerprint


def _needs_canary(config: BackendConfig) -> bool:
    return isinstance(config, ChatConfig) or config.build().needs_canary
