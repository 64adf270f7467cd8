"""The model card: README.md beside a checkpoint, in the form that the Hugging Face hub shows.

Settings, classes, tokenizers and weights are read from the checkpoint's folder; what only the run
knows comes as `TrainingData` and `TrainingSummary`. Evaluation adds probe scores later, between two
marks (`set_probes`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import to_plain
from earmark.io import write_text
from earmark.pretrain.checkpoint.folder import (
    CheckpointConfig,
    count_parameters,
    read_checkpoint_config,
    read_target_specs,
)
from earmark.pretrain.config import PretrainConfig
from earmark.pretrain.objectives.config import (
    CaptioningConfig,
    PartConfig,
    TagsConfig,
    TagsParallelConfig,
)
from earmark.pretrain.objectives.targets import TargetSpec, TargetSpecs, objective_parts
from earmark.records import SPLITS, Example
from earmark.tables import TOTAL_KEYS

CARD_FILE = "README.md"

PROBES_BEGIN, PROBES_END = "<!-- probes: begin -->", "<!-- probes: end -->"

NO_PROBES = "Not measured yet: `earmark evaluate` fills this in."


class SplitSize(msgspec.Struct, frozen=True, kw_only=True):
    """How much a split holds."""

    name: str
    clips: int
    hours: float


class TrainingData(msgspec.Struct, frozen=True, kw_only=True):
    """What an encoder was trained on.

    `domains` and `licences` are clips by value, most frequent first; `captioned` counts clips with
    original captions; `captioner` and `tagger` are names for people, "" where they are not known.
    """

    splits: tuple[SplitSize, ...]
    domains: dict[str, int] = {}
    licences: dict[str, int] = {}
    captioned: int = 0
    captioner: str = ""
    tagger: str = ""


class TrainingSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How an encoder was trained.

    `parameters` are the encoder's, `objective_parameters` those of what is thrown away afterwards.
    `audio_s` is all audio heard, seconds; `processes` how many shared the work at the end;
    `validation` the scores of the weights in the folder, of which `selects` chose the best
    checkpoint; `left_out` counts clips by what the objective did not find in them.
    """

    config: PretrainConfig
    seed: int
    parameters: int
    objective_parameters: int
    audio_s: float = 0.0
    processes: int = 1
    validation: dict[str, float] = {}
    selects: str = "loss"
    left_out: dict[str, int] = {}


class _ObjectiveFacts(NamedTuple):
    kind: str
    learns: str
    facts: tuple[str, ...]


def describe_training_data(
    examples: Sequence[Example],
    *,
    licences: Mapping[str, int] | None = None,
    captioner: str = "",
    tagger: str = "",
) -> TrainingData:
    """Return what a manifest holds. `licences` counts the clips trained on by licence, if known."""
    splits: list[SplitSize] = []
    for name in SPLITS:
        durations_s = [example.duration_s for example in examples if example.split == name]
        if durations_s:
            hours = sum(durations_s) / 3600
            splits.append(SplitSize(name=name, clips=len(durations_s), hours=hours))
    domains = Counter(value for row in examples for value in row.labels.get("domain", ()))
    return TrainingData(
        splits=tuple(splits),
        domains=dict(domains.most_common()),
        licences=dict(Counter(licences or {}).most_common()),
        captioned=sum(bool(example.original_captions) for example in examples),
        captioner=captioner,
        tagger=tagger,
    )


def write_model_card(
    folder: Path, data: TrainingData, training: TrainingSummary, *, chosen: str = ""
) -> None:
    """Write README.md into a checkpoint's folder; probes that an earlier one shows are kept.

    Args:
        folder: a whole checkpoint.
        data: what it was trained on.
        training: how.
        chosen: which checkpoint of the run it is, such as "last step".

    Raises:
        ConfigError: the folder is no whole checkpoint.
    """
    card = render_model_card(
        read_checkpoint_config(folder),
        read_target_specs(folder),
        Vocabulary.load(folder / "vocabulary.json"),
        data,
        training,
        chosen=chosen,
    )
    path = folder / CARD_FILE
    if path.exists() and (probes := _text_between_marks(path.read_text("utf-8"))) is not None:
        card = set_probes(card, probes)
    write_text(path, card)


def render_model_card(
    settings: CheckpointConfig,
    materials: TargetSpecs,
    vocabulary: Vocabulary,
    data: TrainingData,
    training: TrainingSummary,
    *,
    chosen: str = "",
) -> str:
    """Return a card as Markdown with YAML front matter."""
    from jinja2 import Environment, StrictUndefined

    # Markdown, not HTML: there is nothing to escape for.
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters.update(_FILTERS)
    template = resources.files("earmark.pretrain.checkpoint") / "model_card.md.j2"
    source = template.read_text("utf-8")
    pairs = zip(objective_parts(settings.objective), materials.parts, strict=True)
    parts = [_objective_facts(config, material) for config, material in pairs]
    return environment.from_string(source).render(
        settings=msgspec.to_builtins(settings),
        vocabulary={"size": len(vocabulary)},
        data=data,
        training=training,
        chosen=chosen,
        parts=parts,
        machine_made=any(
            _learns_from_captioner(part) for part in objective_parts(settings.objective)
        ),
        recipe=_training_recipe(settings, training),
        probes=_wrap_in_marks(NO_PROBES),
    )


def set_probes(card: str, probes: str) -> str:
    """Return a card that shows `probes` between its marks; a card without gets a section."""
    if _text_between_marks(card) is None:
        return f"{card.rstrip()}\n\n## Probes\n\n{_wrap_in_marks(probes)}\n"
    before, _, rest = card.partition(PROBES_BEGIN)
    return f"{before}{_wrap_in_marks(probes)}{rest.partition(PROBES_END)[2]}"


def _wrap_in_marks(text: str) -> str:
    return f"{PROBES_BEGIN}\n{text.strip()}\n{PROBES_END}"


def _text_between_marks(card: str) -> str | None:
    """Return what a card shows as probes, None where it has no such marks."""
    _, begin, rest = card.partition(PROBES_BEGIN)
    probes, end, _ = rest.partition(PROBES_END)
    return probes.strip() if begin and end else None


def _objective_facts(config: PartConfig, material: TargetSpec) -> _ObjectiveFacts:
    plain: dict[str, Any] = msgspec.to_builtins(config)
    facts: list[str] = []
    if material.classes is not None:
        facts.append(
            f"{len(material.classes.names):,} classes over {material.classes.clips:,} clips."
        )
    if material.words is not None:
        told = material.words.facts
        facts.append(
            f"{told.texts:,} texts of {told.tokens:,} tokens, the longest of {told.longest:,}; "
            f"{told.texts_cut:,} texts were cut, by {told.tokens_cut:,} tokens in all."
        )
    return _ObjectiveFacts(plain["kind"], _task_clause(config), tuple(facts))


def _task_clause(config: PartConfig) -> str:
    if isinstance(config, TagsConfig | TagsParallelConfig):
        what = f"the corpus's own labels `{config.label}`" if config.label else "the tags of a clip"
        return f"{'classifies' if isinstance(config, TagsConfig) else 'writes'} {what}"
    words = {
        "summary": "the closing summary of its caption",
        "caption": "its whole caption",
        "original": "the words that came with it",
    }[config.text]
    verb = "writes" if isinstance(config, CaptioningConfig) else "tells a clip from others by"
    return f"{verb} {words}"


def _learns_from_captioner(config: PartConfig) -> bool:
    if isinstance(config, TagsConfig | TagsParallelConfig):
        return not config.label
    return config.text != "original"


def _training_recipe(settings: CheckpointConfig, training: TrainingSummary) -> str:
    """Return the tables of a recipe that trains the same again."""
    import tomli_w

    encoder = to_plain(settings.encoder)
    # The model's own config.json, in full in config.json; here it would fill pages.
    encoder.pop("architecture", None)
    tables = {
        "seed": training.seed,
        "encoder": encoder,
        "objective": to_plain(settings.objective),
        "pretrain": to_plain(training.config),
    }
    return f"# {training.processes} process{'es' if training.processes > 1 else ''}\n" + (
        tomli_w.dumps(tables)
    )


def _format_count(value: int) -> str:
    return f"{value:,}"


def _format_hours(hours: float) -> str:
    return f"{hours:,.0f} h" if hours >= 100 else f"{hours:.2f} h"


def _format_score(value: float) -> str:
    return f"{value:.4g}"


def _format_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count:,})" for name, count in counts.items())


_FILTERS = {
    "count": _format_count,
    "hours": _format_hours,
    "score": _format_score,
    "listed": _format_counts,
}

CHECKPOINT_TITLES = {"checkpoint": "last step", "best": "best on the validation split"}


def write_model_cards(
    folder: Path,
    data: TrainingData,
    config: PretrainConfig,
    counts: Mapping[str, int],
    *,
    seed: int,
) -> None:
    """Write the card of each checkpoint in a run's folder.

    Args:
        folder: of a finished run.
        data: what was trained on.
        config: how.
        counts: as `pretrain` returned them.
        seed: of the run.
    """
    log = [msgspec.json.decode(line) for line in (folder / "log.jsonl").read_bytes().splitlines()]
    for name, chosen in CHECKPOINT_TITLES.items():
        checkpoint = folder / name
        if not checkpoint.exists():
            continue
        step = read_checkpoint_config(checkpoint).step
        last = [row for row in log if row["split"] == "train" and row["step"] <= step][-1:]
        measured = [row for row in log if row["split"] == "validation" and row["step"] == step]
        training = TrainingSummary(
            config=config,
            seed=seed,
            parameters=count_parameters(checkpoint / "model.safetensors"),
            objective_parameters=count_parameters(checkpoint / "objective.safetensors"),
            left_out={why: n for why, n in counts.items() if why not in TOTAL_KEYS},
            **_last_values(last, "audio_s", "processes"),
            **_last_values(measured, "selects"),
            validation=_last_scores(measured),
        )
        write_model_card(checkpoint, data, training, chosen=chosen)


def _last_values(rows: list[dict[str, Any]], *names: str) -> dict[str, Any]:
    """Return what the last of the rows says of `names`."""
    return {name: rows[-1][name] for name in names if rows and name in rows[-1]}


def _last_scores(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Return the scores of the last of the rows."""
    row = rows[-1] if rows else {}
    return {name: value for name, value in row.items() if isinstance(value, float)}
