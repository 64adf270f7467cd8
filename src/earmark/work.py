"""The work of each step: from its settings and the folders that it reads to its own folder."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from .annotate.backends.chat import ChatConfig
from .annotate.backends.configs import told_name
from .annotate.backends.endpoint import EndpointConfig
from .annotate.execute.job import BackendConfig, Job
from .pretrain.loop.distributed import world_from_environment
from .recipe import Recipe
from .records import (
    TOTALS,
    Caption,
    Clip,
    Example,
    Score,
    Source,
    TagSet,
    read_parquet,
    stream_parquet,
)
from .workspace import StageError

CANARY_S = 30.0
"""The long clip that a captioner is tried on which does not say what it takes, seconds."""

CANARY_PATIENCE_S = 120.0

Counts = Mapping[str, int]
Folders = Mapping[str, Path]


def list_corpus(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """List the corpus."""
    from .corpora import base

    counts = base.list_corpus(recipe.corpus.build(), folder)
    if counts["in"] and not counts["out"]:
        reasons = ", ".join(f"{n} {why}" for why, n in counts.items() if why not in TOTALS)
        raise StageError(
            f"corpus: none of {counts['in']} rows can be offered ({reasons}). "
            f"{folder / 'rejected.parquet'} says why, row by row; of a table, paths that leave its "
            'own folder need corpus.audio_root ("/" allows all).'
        )
    return counts


def scan_files(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Look at each file."""
    from .annotate.scan import scan

    sources = read_parquet(reads["corpus"] / "sources.parquet", Source)
    return scan(sources, recipe.scan, folder)


def try_captioner(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Try the captioner on known sounds."""
    from .annotate import canary

    captioner = _impatient(recipe.captioner)
    limit_s = captioner.max_audio_s if isinstance(captioner, ChatConfig) else CANARY_S
    return canary.try_captioner(captioner.build(), folder, limit_s=limit_s)


def ask_captioner(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Ask the captioner of each clip."""
    from .annotate.execute.run import answer_all

    return answer_all(caption_job(recipe, reads, folder), recipe.execute)


def caption_job(recipe: Recipe, reads: Folders, folder: Path) -> Job:
    """Return what asking the captioner is."""
    from .annotate import caption

    clips = reads["scan"] / "clips.parquet"
    return caption.caption_job(
        clips, recipe.captioner, recipe.lint, _instruction(recipe.captioner), folder
    )


def read_captions(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Read captions from its answers."""
    from .annotate.caption import write_captions

    instruction = _instruction(recipe.captioner)
    return write_captions(reads["captioner"], recipe.lint, instruction, folder)


def try_tagger(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Try the tagger on known captions."""
    from .annotate import canary
    from .annotate.tag import readable

    return canary.try_tagger(_impatient(recipe.tagger).build(), folder, readable=readable)


def ask_tagger(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Ask the tagger of each caption."""
    from .annotate.execute.run import answer_all

    return answer_all(tag_job(recipe, reads, folder), recipe.execute)


def tag_job(recipe: Recipe, reads: Folders, folder: Path) -> Job:
    """Return what asking the tagger is."""
    from .annotate import tag

    return tag.tag_job(reads["caption"] / "captions.parquet", recipe.tagger, folder)


def read_tags(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Read tags from its answers."""
    from .annotate.tag import read_parse_report, write_tags

    counts = write_tags(reads["tagger"], folder)
    print(read_parse_report(folder), file=sys.stderr, flush=True)
    return counts


def choose_vocabulary(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Choose the vocabulary."""
    from .annotate.vocabulary.build import write_vocabulary
    from .annotate.vocabulary.facts import Facts

    counts = write_vocabulary([reads["tag"] / "tags.parquet"], recipe.vocabulary, folder)
    for line in Facts.load(folder).sentences:
        print(f"vocabulary: {line}", file=sys.stderr, flush=True)
    return counts


def audit_tags(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Hold tags and vocabulary against people's."""
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


def assemble_manifest(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Join, encode and split."""
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


def pretrain_encoder(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Train an encoder, and write its model cards."""
    from .annotate.manifest import licences_used
    from .annotate.vocabulary import Vocabulary
    from .pretrain.checkpoints.card import describe_data
    from .pretrain.checkpoints.cards import write_cards
    from .pretrain.loop.run import pretrain
    from .pretrain.supervision import without_unread_texts

    rows = stream_parquet(reads["manifest"] / "manifest.parquet", Example)
    # Captions of hundreds of words are most of a manifest, and few objectives read them.
    required = recipe.pretrain.requires
    examples = [without_unread_texts(row, recipe.objective, required) for row in rows]
    vocabulary = Vocabulary.load(reads["vocabulary"] / "vocabulary.json")
    settings = (recipe.encoder, recipe.objective, recipe.pretrain)
    counts = pretrain(examples, vocabulary, *settings, folder, seed=recipe.training_seed)
    if world_from_environment().is_first:
        data = describe_data(
            examples,
            licences=licences_used(reads["manifest"]),
            captioner=told_name(recipe.captioner),
            tagger=told_name(recipe.tagger),
        )
        write_cards(folder, data, recipe.pretrain, counts, seed=recipe.training_seed)
    return counts


def evaluate_encoder(recipe: Recipe, reads: Folders, folder: Path) -> Counts:
    """Probe it, and add the scores to its model card."""
    from .evaluate.base import Comparison
    from .evaluate.card import add_probes
    from .evaluate.run import evaluate

    examples = read_parquet(reads["manifest"] / "manifest.parquet", Example)
    checkpoint = reads["pretrain"] / "checkpoint"
    counts = evaluate(
        examples,
        checkpoint,
        recipe.evaluate,
        folder,
        seed=recipe.seed,
        weights_seed=recipe.training_seed,
        cache=folder.parent / "features",
    )
    scores = read_parquet(folder / "scores.parquet", Score)
    # Of a finished stage the card alone is written anew; nothing reads it.
    add_probes(checkpoint, scores, read_parquet(folder / "comparisons.parquet", Comparison))
    return counts


def _instruction(config: BackendConfig) -> str:
    """Return the words that a captioner is sent beside the audio."""
    return f"{config.system}\n{config.instruction}" if isinstance(config, ChatConfig) else ""


def _impatient(config: BackendConfig) -> BackendConfig:
    """Return the settings with which a server is tried: one that dies of it is soon told."""
    if not isinstance(config, EndpointConfig):
        return config
    return replace(config, patience_s=min(config.patience_s, CANARY_PATIENCE_S))
