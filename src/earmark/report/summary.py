"""The first lines of the page: what pre-training bought, and the size of the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from earmark.records import Caption, Clip, TagSet
from earmark.report.formatting import format_count, format_duration, format_large
from earmark.report.run import STAGE_PURPOSES, RunData
from earmark.report.scores import ProbeScores, ProbeVerdict, judge_probes
from earmark.report.training import TrainingRun
from earmark.report.vocabulary import VocabularySection


@dataclass(frozen=True)
class Headline:
    """The title, sentences under it, and facts as (value, name)."""

    title: str
    lede: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]


def run_headline(
    found: RunData,
    tags: VocabularySection | None,
    training: TrainingRun | None,
    probes: Sequence[ProbeScores],
) -> Headline:
    """Say what was bought or, while there is nothing to compare, how far the run has come."""
    title, lede = _describe_probes(probes) if probes else _describe_progress(found, tags, training)
    if found.next_stage:
        lede = (*lede, f"Next comes {found.next_stage}: {STAGE_PURPOSES[found.next_stage]}.")
    return Headline(title, tuple(lede), tuple(_facts(found, tags, training)))


def _describe_probes(probes: Sequence[ProbeScores]) -> tuple[str, Sequence[str]]:
    random, log_mel = judge_probes(probes, "random"), judge_probes(probes, "log-mel")
    if not random.probes:
        return "No probe could compare the trained encoder", ["The reasons stand under Probes."]
    title = f"Trained beats random weights on {len(random.wins)} of {random.probes} probes"
    lede = list[str]()
    if len(random.wins) < random.probes:
        lede.append(_describe_verdict(random, "random weights"))
    if log_mel.probes:
        lede.append(_describe_verdict(log_mel, "pooled log-mel statistics"))
    lede.append("Won means that the 95 % interval of the paired difference lies above zero.")
    return title, lede


def _describe_verdict(verdict: ProbeVerdict, name: str) -> str:
    """Return one sentence; the losses are named, for a headline must not hide them."""
    lost = f" ({', '.join(verdict.losses)})" if verdict.losses else ""
    return (
        f"Against {name}: {len(verdict.wins)} won, {len(verdict.undecided)} undecided, "
        f"{len(verdict.losses)} lost{lost}."
    )


def _describe_progress(
    found: RunData, tags: VocabularySection | None, training: TrainingRun | None
) -> tuple[str, Sequence[str]]:
    if training:
        asked = "evaluate" in found
        lede = ["No probes: the recipe names no label to predict."] if asked else []
        return f"An encoder, trained for {format_count(training.steps)} steps", lede
    if tags:
        return f"A vocabulary of {format_count(tags.size)} tags", []
    for stage, done in (("tag", "tagged"), ("caption", "captioned"), ("scan", "scanned")):
        if stage in found:
            clips = found.provenance(stage)["counts"]["out"]
            return f"{format_count(clips)} clips {done}", []
    if "corpus" in found:
        return (
            f"{format_count(found.provenance('corpus')['counts']['out'])} files listed",
            [],
        )
    return "Nothing has finished yet", []


def _facts(
    found: RunData, tags: VocabularySection | None, training: TrainingRun | None
) -> list[tuple[str, str]]:
    facts = list[tuple[str, str]]()
    if clips := found.rows("scan", "clips.parquet", Clip):
        facts.append((format_count(len(clips)), "clips"))
        facts.append((format_duration(sum(clip.duration_s for clip in clips)), "of audio"))
    if captions := found.rows("caption", "captions.parquet", Caption):
        words = sum(len(caption.text.split()) for caption in captions) / len(captions)
        facts.append((f"{words:.0f}", "words a caption"))
    if tags:
        facts.append((format_count(tags.size), "tags to learn"))
    elif tag_sets := found.rows("tag", "tags.parquet", TagSet):
        distinct = {tag for tag_set in tag_sets for tag in tag_set.tags}
        facts.append((format_count(len(distinct)), "distinct tags"))
    if training and training.parameters:
        facts.append((format_large(training.parameters), "parameters"))
    if training:
        facts.append((format_count(training.steps), "steps"))
    return facts
