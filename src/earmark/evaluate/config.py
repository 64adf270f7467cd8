"""Settings of evaluation (no torch), and the version of its scoring rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, field

from earmark.config import (
    Config,
    ConfigError,
    Device,
    Name,
    Package,
    PositiveFloat,
    PositiveInt,
    suggest,
)
from earmark.pretrain.encoders.config import HuggingFaceConfig

EVALUATION_VERSION = 1
"""Raised by every change that alters a score: what was measured before it is measured again."""

Values = Annotated[tuple[str, ...], Meta(min_length=1)]
"""Of a label field; a clip has one of them."""

TextSource = Literal["original", "summary", "caption"]


class ClassificationTaskConfig(Config, frozen=True, kw_only=True):
    """One question that a probe asks: which value of a label does a clip have?

    The clips are those of the manifest, unless `dataset` or `table` names others.

    Args:
        name: of the task, unique in a recipe; the dataset's or the label's where it is left out.
        label: field of the true labels to predict; clips without it are not part of the task. Of
            a table, a column; of a named dataset, its own where it is left out.
        dataset: one that `earmark datasets` lists, of which a copy lies in `evaluate.datasets`.
        table: a CSV, TSV or JSONL file with a row a clip, or a row for each of its labels, and the
            path of its audio.
        path_column: of the table: paths are taken from the table's own folder.
        split_column: of the table: "train", "validation" or "test" in each row. Without it the
            table is split by recording, 60/20/20; without "validation" a fifth of train is.
        recording_column: of the table: rows that agree here are kept on one side.
        where: keep only clips which have, in each of these label fields, one of these values.
        split: "manifest" fits on train, selects on validation and scores on test. "held-out" takes
            only clips that pre-training did not fit (validation and test) and splits them again by
            recording, 60/20/20: for labels, such as the speaker, that a manifest keeps on one side.
        metric: "auto" is "map" where some clip has several values, else "accuracy".
            "macro-accuracy" is the mean recall of the classes.
        min_per_class: classes with fewer clips in train are left out.
    """

    name: str = ""
    label: str = ""
    dataset: str = ""
    table: str = ""
    path_column: str = "path"
    split_column: str = ""
    recording_column: str = ""
    where: dict[str, Values] = field(default_factory=dict)
    split: Literal["manifest", "held-out"] = "manifest"
    metric: Literal["auto", "accuracy", "macro-accuracy", "map"] = "auto"
    min_per_class: PositiveInt = 2

    def check(self) -> None:
        """Refuse a task that says too little or too much, or a dataset that nobody knows.

        Raises:
            ConfigError: naming the field.
        """
        if self.dataset and self.table:
            raise ConfigError(
                f"dataset = {self.dataset!r} and table = {self.table!r} are two sources of one "
                "task. Leave one of them out."
            )
        if not self.label and not self.dataset:
            raise ConfigError(
                "label is missing: a task needs a label (a field of the corpus's labels, or a "
                "column of its table) or a dataset."
            )
        if self.dataset:
            from earmark.evaluate.dataset_registry import get_dataset

            get_dataset(self.dataset)

    @property
    def title(self) -> str:
        """What the task is called in scores."""
        return self.name or self.dataset or self.label


class RetrievalTaskConfig(Config, frozen=True, kw_only=True):
    """Which text belongs to which clip of the manifest's test split, in both directions.

    An encoder that was trained on texts is asked as it is (probe "zero-shot"); every encoder gets
    a text side of its own, trained on the train split against its frozen features (probe "lit",
    after LiT, arXiv 2111.07991).

    Args:
        name: of the task.
        text: what stands for a clip.
        where: as of a task.
        lit: whether a text side is trained for every encoder.
        steps: of that training, each of at most 256 pairs.
        lr: of that training.
    """

    name: Name = "retrieval"
    text: TextSource = "original"
    where: dict[str, Values] = field(default_factory=dict)
    lit: bool = True
    steps: PositiveInt = 300
    lr: PositiveFloat = 3e-3


class CaptioningTaskConfig(Config, frozen=True, kw_only=True):
    """How well a small decoder writes a clip's texts from frozen frames (probe "captioning").

    Only the decoder is trained: its cross-attention is all that it hears by.

    Args:
        name: of the task.
        text: what is written.
        where: as of a task.
        steps: of the decoder's training, each of at most 32 clips.
        lr: of that training.
        max_tokens: longest text in word pieces, its start and its end included.
    """

    name: Name = "captioning"
    text: TextSource = "original"
    where: dict[str, Values] = field(default_factory=dict)
    steps: PositiveInt = 300
    lr: PositiveFloat = 2e-3
    max_tokens: Annotated[int, Meta(ge=3)] = 48

    @property
    def packages(self) -> tuple[Package, ...]:
        """Word pieces and a decoder."""
        return Package("tokenizers", "text"), Package("transformers", "text")


class QuestionTaskConfig(Config, frozen=True, kw_only=True):
    """Multiple choice about clips, without a judge: each label field becomes a question.

    An encoder that was trained on texts chooses the option that lies nearest (probe
    "multiple-choice"); where a `model` is named, a light adapter leads frozen frames into a causal
    language model, and the likeliest option counts (probe "adapter").

    Args:
        name: of the task.
        fields: label fields to ask of; where it is empty, all that have from 2 to 200 values, but
            for those that say where a clip comes from.
        question: by field, what is asked, in place of the usual wording.
        statement: by field, the sentence that an option becomes for encoders trained on texts,
            with {} in its place; the usual wording, or "the sound of {}", where it is left out.
        where: as of a task.
        options: answers to choose from, the true one included.
        model: a causal language model of `transformers`, by hub name or folder; none where empty.
        stack: frames that are one token of the language model.
        steps: of the adapter's training, each of at most 16 questions.
        lr: of that training.
    """

    name: Name = "questions"
    fields: tuple[str, ...] = ()
    question: dict[str, str] = field(default_factory=dict)
    statement: dict[str, str] = field(default_factory=dict)
    where: dict[str, Values] = field(default_factory=dict)
    options: Annotated[int, Meta(ge=2)] = 4
    model: str = ""
    stack: PositiveInt = 8
    steps: PositiveInt = 300
    lr: PositiveFloat = 1e-3

    @property
    def packages(self) -> tuple[Package, ...]:
        """A language model, where one is named."""
        setting = f"model = {self.model!r}"
        return (Package("transformers", "transformers", setting),) if self.model else ()

    def check(self) -> None:
        """Refuse wordings of no field, and statements without a place for the option.

        Raises:
            ConfigError: naming the field.
        """
        for setting, wordings in (("question", self.question), ("statement", self.statement)):
            for name in wordings if self.fields else ():
                if name not in self.fields:
                    hint = suggest(name, self.fields)
                    raise ConfigError(f"{setting}.{name} is of no field that is asked for.{hint}")
        for name, statement in self.statement.items():
            if "{}" not in statement:
                raise ConfigError(
                    f"statement.{name} = {statement!r} has no {{}}, where the option goes, such as "
                    "'the sound of {}'."
                )


class LeakageConfig(Config, frozen=True, kw_only=True):
    """What counts as having been learnt from: a test clip that does is listed and excluded.

    Args:
        ids: the same bytes, or a window of them.
        sentences: a caption with a sentence of a clip that was learnt from; only tasks on texts
            lose the clip.
        sentence_words: shortest sentence that counts; shorter ones people repeat by chance.
        fingerprints: the same sound, however it is stored.
    """

    ids: bool = True
    sentences: bool = True
    sentence_words: PositiveInt = 8
    fingerprints: bool = True


class CheckpointChoice(Config, frozen=True, kw_only=True, tag="checkpoint", tag_field="kind"):
    """Another encoder of earmark, or a published Zipformer.

    Args:
        path: as of `load_encoder`.
    """

    path: Name


class ExternalChoice(Config, frozen=True, kw_only=True, tag="external", tag_field="kind"):
    """An encoder that is written elsewhere.

    Args:
        target: "module:Class" of an `Encoder` that takes no arguments. Where its file is edited it
            is measured anew; what that file imports is not looked at.
    """

    target: Annotated[
        str, Meta(pattern="^[^:]+:[^:]+$", description='"module:Class", such as "my_models:Mine"')
    ]


EncoderChoice = HuggingFaceConfig | CheckpointChoice | ExternalChoice


class EvaluateConfig(Config, frozen=True, kw_only=True):
    """What is measured, and how sure it is.

    Args:
        tasks: classification; none means that there is nothing to classify.
        retrieval: tasks of clips and texts.
        captioning: tasks of writing.
        questions: tasks of answering.
        probes: how each classification task is asked. "linear" and "knn" (neighbours) see the
            mean over time, "attentive" learns to pool (multi-head attention).
        shots: for few-shot curves, from how many clips a class a linear probe is fitted as well.
        repeats: of such clips, and of the first weights of "attentive"; the score is their mean.
            Text sides, decoders and adapters are trained once.
        baselines: what the trained encoder is held against.
        encoders: further encoders, by name.
        datasets: the folder that holds copies of named datasets, each in a folder of its name.
        leakage: which test clips are excluded.
        bootstrap: resamples of the test clips that an interval is read from.
        regularization: inverse strengths C that the validation clips choose from.
        max_iterations: of the solver; a probe that needs more counts as not converged.
        max_frames: of a clip that are kept for what looks at frames.
        cache_block: clips encoded between two writes to the feature cache, hence lost by a kill.
        device: "auto" takes an accelerator where there is one, else "cpu", "cuda", "cuda:1", "mps".
    """

    renamed: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"draws": "repeats", "block": "cache_block", "regularisation": "regularization"}
    )
    renamed_values: ClassVar[Mapping[str, Mapping[str, str]]] = MappingProxyType(
        {"probes": {"nearest": "knn", "attention": "attentive"}}
    )

    tasks: tuple[ClassificationTaskConfig, ...] = ()
    retrieval: tuple[RetrievalTaskConfig, ...] = ()
    captioning: tuple[CaptioningTaskConfig, ...] = ()
    questions: tuple[QuestionTaskConfig, ...] = ()
    probes: tuple[Literal["linear", "knn", "attentive"], ...] = ("linear",)
    shots: tuple[PositiveInt, ...] = ()
    repeats: PositiveInt = 5
    baselines: tuple[Literal["random", "log-mel"], ...] = ("random", "log-mel")
    encoders: dict[str, EncoderChoice] = field(default_factory=dict)
    datasets: str = ""
    leakage: LeakageConfig = LeakageConfig()
    bootstrap: PositiveInt = 1000
    regularization: Annotated[tuple[PositiveFloat, ...], Meta(min_length=1)] = (
        0.0001,
        0.001,
        0.01,
        0.1,
        1.0,
        10.0,
    )
    max_iterations: PositiveInt = 2000
    max_frames: PositiveInt = 64
    cache_block: PositiveInt = 256
    device: Device = "auto"

    def check(self) -> None:
        """Refuse what is named twice, and names that are taken. Raises ConfigError."""
        for setting, given in (
            ("baselines", self.baselines),
            ("probes", self.probes),
            ("shots", self.shots),
            ("regularization", self.regularization),
        ):
            for value, count in repeated(given):
                raise ConfigError(f"{setting} names {value!r} {count} times. Name it once.")
        for setting, names in (
            ("tasks", [task.title for task in self.tasks]),
            ("retrieval", [task.name for task in self.retrieval]),
            ("captioning", [task.name for task in self.captioning]),
            ("questions", [task.name for task in self.questions]),
        ):
            for name, count in repeated(names):
                raise ConfigError(
                    f"{setting}: {count} tasks are named {name!r}. Rename one (name = ...)."
                )
        for name in self.encoders:
            if name in ("trained", "random", "log-mel"):
                raise ConfigError(f"encoders: {name!r} is taken. Name yours otherwise.")


def repeated(values: Sequence[object]) -> list[tuple[object, int]]:
    """Return each value that is there more than once, and how often."""
    return [(value, count) for value, count in Counter(values).items() if count > 1]
