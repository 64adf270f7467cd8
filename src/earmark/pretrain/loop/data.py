"""What a run trains on: the examples of each split, the audio budget, the plan, the micro-batches.

Micro-batches are numbered over all processes and epochs. A step of `world.size` processes takes the
next `accumulate * world.size` of them, dealt out in turn. So a step of two processes is made of the
same micro-batches as one of a single process that accumulates two, and one number says how far a
run is.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import torch

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import ConfigError, fingerprint, suggest
from earmark.pretrain.config import PretrainConfig, Requirement, result_settings
from earmark.pretrain.data.loader import Batch, load_batch, prefetch
from earmark.pretrain.data.sampler import BucketSampler
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.encoders.config import EncoderConfig
from earmark.pretrain.loop.distributed import World
from earmark.pretrain.objectives.base import Objective
from earmark.pretrain.objectives.config import ObjectiveConfig
from earmark.pretrain.objectives.targets import missing_required, missing_target
from earmark.records import SPLITS, Example


@dataclass(frozen=True)
class ExampleSplits:
    """Examples by what pre-training does with them; of others only the number.

    `lacking` counts examples of the train and validation splits that have not what the objective
    learns from, by what they lack.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: int
    lacking: Mapping[str, int]

    def counts(self) -> dict[str, int]:
        """Return "in" for every example, "out" for those used, and the rest by reason."""
        used = len(self.train) + len(self.validation)
        left_out = {"held out for test": self.test, **self.lacking}
        reasons = {f"pretrain: {reason}": count for reason, count in left_out.items() if count}
        return {"in": used + sum(reasons.values()), "out": used} | reasons


def split_examples(
    examples: Sequence[Example],
    vocabulary: Vocabulary,
    objective: ObjectiveConfig,
    *,
    train_share: float = 1.0,
    require: Sequence[Requirement] = (),
) -> ExampleSplits:
    """Sort examples into splits, and leave out those that the objective cannot learn from.

    Args:
        examples: the manifest.
        vocabulary: that their tags are of.
        objective: what is learnt.
        train_share: of the train split's recordings.
        require: what every clip must have besides.

    Raises:
        ConfigError: nothing is left to train on; the message says what is missing.
        ValueError: an example has an unknown split, or tag ids of another vocabulary.
    """
    by_split: dict[str, list[Example]] = {split: [] for split in SPLITS}
    for example in examples:
        if example.split not in by_split:
            known = suggest(example.split, SPLITS)
            raise ValueError(f"clip {example.id} is in split {example.split!r}.{known}")
        _check_tag_ids(example, vocabulary)
        by_split[example.split].append(example)
    train, validation, test = (by_split[split] for split in SPLITS)
    if not train:
        raise ConfigError(
            f"none of the {len(examples)} examples is in the train split: there is nothing to "
            "train on. Give more clips, or look at the manifest's split shares."
        )
    reasons = Counter[str]()
    wanted = [clip for clip in train if _in_train_share(clip, train_share)]
    if len(wanted) < len(train):
        reasons["beyond train_share"] = len(train) - len(wanted)
    usable = [
        _trainable_examples(split, objective, require, reasons) for split in (wanted, validation)
    ]
    if not usable[0]:
        raise ConfigError(_explain_no_examples(train, reasons))
    return ExampleSplits(usable[0], usable[1], len(test), dict(sorted(reasons.items())))


def _trainable_examples(
    examples: Sequence[Example],
    objective: ObjectiveConfig,
    require: Sequence[Requirement],
    reasons: Counter[str],
) -> tuple[Example, ...]:
    kept: list[Example] = []
    for example in examples:
        lacking = missing_target(example, objective) or missing_required(example, require)
        if lacking:
            reasons[lacking] += 1
        else:
            kept.append(example)
    return tuple(kept)


def _in_train_share(example: Example, share: float) -> bool:
    """Tell whether a clip's recording is among a share of all, by the recording's name alone."""
    if share >= 1.0:
        return True
    name = example.recording or example.parent or example.id
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64
    return place < share


def _explain_no_examples(train: Sequence[Example], reasons: Counter[str]) -> str:
    """Say what is missing, and what can be set to have it."""
    lacking = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common())
    labels = sorted({label for example in train for label in example.labels})
    texts = [
        source
        for source, has in (
            ("summary", any(example.summary.strip() for example in train)),
            ("caption", any(example.caption.strip() for example in train)),
            ("original", any(example.original_captions for example in train)),
        )
        if has
    ]
    return (
        f"none of the {len(train)} examples of the train split has what the objective learns from: "
        f"{lacking}. Of texts they have {', '.join(texts) or 'none'} (set objective.text; words "
        "that came with the clips are read from corpus.captions_column), of labels "
        f"{', '.join(labels) or 'none'} (set objective.label; they are read from the columns in "
        "corpus.labels)."
    )


def _check_tag_ids(example: Example, vocabulary: Vocabulary) -> None:
    meant = tuple(vocabulary.tags[i] if i < len(vocabulary) else None for i in example.tag_ids)
    if meant != example.tags:
        raise ValueError(
            f"clip {example.id} has the tags {example.tags}, but its ids {example.tag_ids} mean "
            f"{meant} in vocabulary {vocabulary.fingerprint}. Assemble the manifest again with the "
            "vocabulary that is trained on."
        )


def build_sampler(train: Sequence[Example], config: PretrainConfig, *, seed: int) -> BucketSampler:
    """Return the order in which clips are learnt from. Raises as `BucketSampler`."""
    return BucketSampler(_cropped_durations_s(train, config), config.batch_s, seed=seed)


def apply_audio_budget(
    config: PretrainConfig, train: Sequence[Example], *, processes: int, seed: int
) -> PretrainConfig:
    """Return settings with as many steps as `audio_s` is, at least one; as they are without it.

    A micro-batch counts with the mean over an epoch, so the audio heard may miss the budget by a
    part of a step, and within the first epoch by its unevenness. Raises as `BucketSampler`.
    """
    if not config.audio_s:
        return config
    batches = build_sampler(train, config, seed=seed).batches_per_epoch
    step_s = sum(_cropped_durations_s(train, config)) / batches * config.accumulate * processes
    return msgspec.structs.replace(config, steps=max(1, round(config.audio_s / step_s)))


def _cropped_durations_s(train: Sequence[Example], config: PretrainConfig) -> list[float]:
    return [min(clip.duration_s, config.max_clip_s) for clip in train]


class TrainingPlan(msgspec.Struct, frozen=True):
    """What a run is made of: the same in every process, and after a kill.

    `encoder` is as the recipe has it: what else a model hub says of it is in the state of the run.
    """

    splits: ExampleSplits
    vocabulary: Vocabulary
    encoder: EncoderConfig
    objective: ObjectiveConfig
    config: PretrainConfig
    seed: int

    def fingerprint(self) -> str:
        """Return what tells this run from those with other weights."""
        clips = [_examples_digest(split) for split in (self.splits.train, self.splits.validation)]
        return fingerprint(
            self.encoder,
            self.objective,
            result_settings(self.config),
            self.vocabulary.fingerprint,
            clips,
            self.seed,
        )


def _examples_digest(examples: Iterable[Example]) -> str:
    """Return a hash of examples in their order; files may have moved."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(msgspec.json.encode(msgspec.structs.replace(example, path="")))
    return digest.hexdigest()


class MicroBatches:
    """The train split, as one process hears it.

    Args:
        plan: the clips, their order and their lengths.
        world: which process this is.
        encoder: what it listens to.
        objective: makes the targets, in the threads that load.
        device: where batches will go.

    Attributes:
        a_step: micro-batches of one optimizer step, over all processes.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        world: World,
        encoder: Encoder,
        objective: Objective[Any],
        device: torch.device,
    ) -> None:
        self._plan, self._world = plan, world
        self._sample_rate, self._targets = encoder.sample_rate, objective.targets
        self._pin_memory = device.type == "cuda"
        self.a_step = plan.config.accumulate * world.size
        self._order = build_sampler(plan.splits.train, plan.config, seed=plan.seed)

    def epoch(self, consumed: int) -> float:
        """Return how many epochs are done once so many micro-batches are consumed."""
        return self._order.epoch(consumed)

    def index(self, consumed: int, place: int) -> int:
        """Return the index of this process's micro-batch 0, 1, ... behind what was consumed."""
        return consumed + place * self._world.size + self._world.rank

    def iterate_from(self, consumed: int, steps: int) -> Generator[tuple[Batch, float]]:
        """Yield this process's micro-batches of so many steps, and the seconds waited for each."""
        places = range(steps * self._plan.config.accumulate)
        indices = (self.index(consumed, place) for place in places)
        return prefetch(self._load, indices, self._plan.config.workers)

    def _load(self, index: int) -> Batch:
        train = self._plan.splits.train
        return load_batch(
            [train[place] for place in self._order(index)],
            self._sample_rate,
            self._plan.config.max_clip_s,
            self._targets,
            seed=self._plan.seed,
            step=index,
            pin_memory=self._pin_memory,
        )
