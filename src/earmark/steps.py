"""The whole way in order, each step once: what it reads, what settles its result, what it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from . import work
from .annotate.backends.chat import TAG_INSTRUCTION, TAG_SCHEMA, ChatConfig
from .annotate.backends.configs import TaggerConfig
from .annotate.backends.endpoint import EndpointConfig
from .annotate.backends.vllm import VllmConfig
from .annotate.execute.job import BackendConfig, Job
from .annotate.reading import lint, summary, tag_parser
from .config import check_packages
from .pretrain.config import shaping
from .recipe import Recipe
from .work import Counts, Folders


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


def _captioner_settings(recipe: Recipe) -> Any:
    return _fingerprint(recipe.captioner)


def _vocabulary_settings(recipe: Recipe) -> Any:
    """Return what is chosen, by which rules, and what people decided, wherever that is written."""
    from .annotate.vocabulary.rules import digest

    settings = replace(recipe.vocabulary, decisions="", frozen="")
    return settings, digest(recipe.vocabulary)


def _check_captioner(recipe: Recipe) -> None:
    check_packages(recipe.captioner, "captioner")
    check_packages(recipe.execute, "execute")


def _check_tagger(recipe: Recipe) -> None:
    check_packages(recipe.tagger, "tagger")
    check_packages(recipe.execute, "execute")


def _check_audit(recipe: Recipe) -> None:
    from .annotate.audit.check import check

    check(recipe.audit)


def _check_pretraining(recipe: Recipe) -> None:
    """Miss a package or a device before the first clip is captioned, not behind the last one."""
    from .pretrain.check import check_pretraining

    check_pretraining(recipe.pretrain, recipe.encoder, recipe.objective)


def _audit_settings(recipe: Recipe) -> Any:
    """Return what is compared with what, and all that can change either side of it."""
    from .annotate.audit import results
    from .annotate.audit.texts import inputs_digest

    against = recipe.audit.against
    other = None if against is None else _asked(against)
    settings = replace(recipe.audit, against=None), inputs_digest(recipe.audit)
    return *settings, _asked(recipe.tagger), other, recipe.seed, results.VERSION


def _check_evaluation(recipe: Recipe) -> None:
    from .evaluate.check import check_evaluation

    check_evaluation(recipe.evaluate)


def _evaluate_settings(recipe: Recipe) -> Any:
    """Return what is measured; not where copies of datasets lie, nor on what it is computed."""
    from .evaluate.datasets.sources import source_digests
    from .evaluate.sources import model_digests
    from .evaluate.version import VERSION

    config = recipe.evaluate
    settings = replace(config, device="", block=1, datasets="")
    return settings, source_digests(config), model_digests(config), recipe.seed, VERSION


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
        work.list_corpus,
        bounded=False,  # a folder may hold any number of files that are no audio
    ),
    Step("scan", ("corpus",), lambda recipe: replace(recipe.scan, workers=0), work.scan_files),
    Step(
        "try-captioner",
        (),
        _captioner_settings,
        work.try_captioner,
        recorded=lambda recipe: recipe.captioner,
        bounded=False,
        tries="captioner",
        wanted=lambda recipe: _needs_canary(recipe.captioner),
    ),
    Step(
        "captioner",
        ("scan",),
        _captioner_settings,
        work.ask_captioner,
        recorded=lambda recipe: recipe.captioner,
        job=work.caption_job,
        check=_check_captioner,
    ),
    Step(
        "caption",
        ("captioner",),
        lambda recipe: (recipe.lint, lint.VERSION, summary.VERSION),
        work.read_captions,
    ),
    Step(
        "try-tagger",
        (),
        _tagger_settings,
        work.try_tagger,
        recorded=lambda recipe: recipe.tagger,
        bounded=False,
        tries="tagger",
        wanted=lambda recipe: _needs_canary(recipe.tagger),
    ),
    Step(
        "tagger",
        ("caption",),
        _tagger_settings,
        work.ask_tagger,
        recorded=lambda recipe: recipe.tagger,
        job=work.tag_job,
        check=_check_tagger,
    ),
    Step("tag", ("tagger",), lambda recipe: tag_parser.VERSION, work.read_tags),
    Step("vocabulary", ("tag",), _vocabulary_settings, work.choose_vocabulary, bounded=False),
    Step(
        "audit",
        ("scan", "tag", "vocabulary"),
        _audit_settings,
        work.audit_tags,
        bounded=False,
        aside=True,
        check=_check_audit,
        recorded=lambda recipe: recipe.audit,
    ),
    Step(
        "manifest",
        ("scan", "caption", "tag", "vocabulary"),
        lambda recipe: (recipe.manifest, recipe.seed),
        work.assemble_manifest,
    ),
    Step(
        "pretrain",
        ("manifest", "vocabulary"),
        lambda recipe: (
            *(recipe.encoder, recipe.objective, recipe.training_seed),
            shaping(recipe.pretrain),
        ),
        work.pretrain_encoder,
        bounded=False,
        check=_check_pretraining,
    ),
    Step(
        "evaluate",
        ("manifest", "pretrain"),
        _evaluate_settings,
        work.evaluate_encoder,
        bounded=False,
        check=_check_evaluation,
    ),
)
STAGES = tuple(step.name for step in STEPS if not step.tries and not step.aside)
"""Every stage of the way of a recipe whose backends are embedded."""


def _fingerprint(config: BackendConfig) -> str:
    """Return what a backend would be; what is served is not built for that, and needs no key."""
    if isinstance(config, EndpointConfig | VllmConfig):
        return config.fingerprint
    return config.build().fingerprint


def _needs_canary(config: BackendConfig) -> bool:
    return isinstance(config, ChatConfig) or config.build().needs_canary
