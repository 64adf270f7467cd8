"""The training loop. It does not depend on which encoder and which objective it trains.

  folder/checkpoint/         the finished model
  folder/best/               the model that scored best on the validation split
  folder/log.jsonl           loss, learning rate and speed by step; scores of the validation split
  folder/state-00000200/     where a killed run resumes
  folder/run.txt             once it has finished, the fingerprint of the run
  folder/tensorboard/        the log once more, where pretrain.tensorboard asks for it

Order, crops, masks and dropout are functions of (seed, index, clip id), where the index numbers
micro-batches over all processes. On the CPU a run that was killed and resumed therefore ends with
the same weights, bit for bit, as one that was not. A resumed run may have another number of
processes, and continues right behind what was consumed.

Under torchrun every process calls `pretrain` with the same arguments, on a disk that all of them
share; the first one writes.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import torch

from earmark.annotate.vocabulary import Vocabulary
from earmark.pretrain.checkpoint.checkpoint import recover_folder, save_checkpoint
from earmark.pretrain.config import PretrainConfig
from earmark.pretrain.device import peak_memory_gib, pick_device
from earmark.pretrain.encoders.config import EncoderConfig
from earmark.pretrain.loop.data import (
    MicroBatches,
    TrainingPlan,
    apply_audio_budget,
    split_examples,
)
from earmark.pretrain.loop.distributed import world_from_environment
from earmark.pretrain.loop.metrics_log import (
    MetricsLog,
    Throughput,
    open_metrics_log,
    progress_note,
    train_row,
)
from earmark.pretrain.loop.process_group import ProcessGroup, join_process_group
from earmark.pretrain.loop.signals import Preempted, deferred_signals
from earmark.pretrain.loop.state import (
    TrainableModel,
    TrainState,
    check_finished,
    delete_states,
    find_start_point,
    mark_finished,
    save_state,
)
from earmark.pretrain.loop.step import StepResult, TrainStep, stop_signal
from earmark.pretrain.loop.validation import Validation, is_better
from earmark.pretrain.objectives.config import ObjectiveConfig
from earmark.records import Example


def pretrain(
    examples: Sequence[Example],
    vocabulary: Vocabulary,
    encoder: EncoderConfig,
    objective: ObjectiveConfig,
    config: PretrainConfig,
    folder: Path,
    *,
    seed: int,
) -> dict[str, int]:
    """Train an encoder on the train split and write it to folder/checkpoint.

    Called again on the folder of a run that was killed, it goes on from the last state; on that of
    a finished one it does nothing. The test split is counted, never opened. Under torchrun every
    process calls it with the same arguments, and gets the same counts.

    Returns:
        Counts: "in" is every example, "out" those trained on or validated with, the others by
        reason.

    Raises:
        ConfigError: there is nothing to train on, the device is not there, or the folder holds the
            state or the checkpoint of another run.
        ValueError: the examples were encoded with another vocabulary, or have unknown splits.
        AudioError: a clip cannot be decoded any more.
        FloatingPointError: a loss or a gradient is not finite; the message names step, process and
            clips, and is the same in every process.
        Preempted: SIGTERM; the state of the last finished step is saved first.
        KeyboardInterrupt: Ctrl-C; likewise.
    """
    world = world_from_environment()
    splits = split_examples(
        examples,
        vocabulary,
        objective,
        train_share=config.train_share,
        require=config.require,
    )
    config = apply_audio_budget(config, splits.train, processes=world.size, seed=seed)
    plan = TrainingPlan(splits, vocabulary, encoder, objective, config, seed)
    if (folder / "checkpoint").exists():
        check_finished(folder, plan.fingerprint())
    else:
        folder.mkdir(parents=True, exist_ok=True)
        device = pick_device(config.device, world.local_rank if world.size > 1 else None)
        with (
            torch.random.fork_rng(devices=[]),
            deferred_signals() as asked,
            join_process_group(world, device) as peers,
        ):
            Trainer(plan, folder, peers, device, asked).finish()
    if world.is_first:
        delete_states(folder)
    return splits.counts()


class Trainer:
    """One process of a run: how far it is, and where it writes.

    Args:
        plan: what is trained on what.
        folder: of the run.
        peers: the run's processes.
        device: of this process.
        asked: tells the signal by which this process was asked to stop, 0 for none.

    Attributes:
        model: what is trained.
    """

    def __init__(
        self,
        plan: TrainingPlan,
        folder: Path,
        peers: ProcessGroup,
        device: torch.device,
        asked: Callable[[], int],
    ) -> None:
        self._plan, self._config = plan, plan.config
        self._folder, self._peers, self._device, self._asked = folder, peers, device, asked
        self._is_first = peers.world.is_first
        if self._is_first:
            recover_folder(folder / "best")
        start = find_start_point(plan, folder, peers)
        self._reached = start.reached
        self.model = model = TrainableModel(plan, start, device, averages=self._is_first)
        self._batches = MicroBatches(plan, peers.world, model.encoder, model.objective, device)
        self._validation = Validation(plan.splits.validation, self._config, device, seed=plan.seed)
        self._step = TrainStep(plan, model, self._batches, peers, device)

    def finish(self) -> None:
        """Train from the last saved state, or from the start, to the end."""
        with contextlib.ExitStack() as stack:
            journal = None
            if self._is_first:
                opened = open_metrics_log(
                    self._folder,
                    self._reached,
                    steps=self._config.steps,
                    tensorboard=self._config.tensorboard,
                )
                journal = stack.enter_context(opened)
            self._train(journal)
        if self._is_first:
            mark_finished(self._folder, self._reached.run)
            save_checkpoint(self.model.used(self._config.steps), self._folder / "checkpoint")
        self._peers.wait()

    def _train(self, journal: MetricsLog | None) -> None:
        if self._reached.validation_pending:
            self._save(self._validated(journal))
        clock = Throughput(self._reached.audio_s)
        left = self._config.steps - self._reached.step
        with contextlib.closing(
            self._batches.iterate_from(self._reached.consumed, left)
        ) as batches:
            while self._reached.step < self._config.steps:
                clock.start()
                taken = self._step.run(self._reached, batches, self._asked)
                clock.count(taken.joined.audio_s, taken.joined.waited_s)
                self._reached = msgspec.structs.replace(
                    self._reached,
                    step=self._reached.step + 1,
                    consumed=self._reached.consumed + self._batches.a_step,
                    audio_s=clock.audio_s,
                    validation_pending=self._validates_next(),
                )
                if journal is not None:
                    self._tell(journal, clock, taken)
                asked = taken.joined.asked
                if self._reached.validation_pending and not asked:
                    asked = self._validated(journal)
                self._save(asked)

    def _validates_next(self) -> bool:
        """Tell whether the step that comes next is one to validate after."""
        due = self._due(self._reached.step + 1, self._config.validate_every)
        return due and bool(self._plan.splits.validation)

    def _due(self, done: int, every: int) -> bool:
        return done % every == 0 or done == self._config.steps

    def _tell(self, journal: MetricsLog, clock: Throughput, taken: StepResult) -> None:
        reached, memory_gib = self._reached, peak_memory_gib(self._device)
        journal.advance(progress_note(clock, taken, memory_gib))
        if self._due(reached.step, self._config.log_every):
            here = {
                "step": reached.step,
                "split": "train",
                "epoch": round(self._batches.epoch(reached.consumed), 4),
                "memory_gib": round(memory_gib, 3),
                "processes": reached.processes,
                "accumulate": reached.accumulate,
            }
            journal.write(here | train_row(clock, taken))

    def _validated(self, journal: MetricsLog | None) -> int:
        """Validate, in the first process; keep the best model so far.

        Returns:
            The signal by which some process was asked to stop meanwhile, 0 for none. Where it came
            to the first one, validation is cut short and still owed.
        """
        reached = self._reached
        if journal is not None:
            reached = self._scored(journal)
        asked, owes = stop_signal(self._peers.gather(self._asked())), reached.validation_pending
        self._reached = msgspec.structs.replace(reached, validation_pending=owes)
        return asked

    def _scored(self, journal: MetricsLog) -> TrainState:
        reached, used = self._reached, self.model.used(self._reached.step)
        scores = self._validation.scores(used.encoder, used.objective, self._asked)
        if scores is None:
            return reached
        selects = used.objective.selects
        here = {"step": reached.step, "split": "validation", "selects": selects}
        journal.write(here | scores)
        best = reached.best
        if is_better(scores[selects], best, selects):
            save_checkpoint(used, self._folder / "best")
            best = scores[selects]
        return msgspec.structs.replace(reached, best=best, validation_pending=False)

    def _save(self, asked: int) -> None:
        """Save the state where it is due, or where some process was asked to stop: then stop."""
        reached = self._reached
        if self._is_first and (asked or self._due(reached.step, self._config.checkpoint_every)):
            save_state(self._folder, self.model.training_objects(reached.step), reached)
        if asked:
            self._peers.wait()
            if asked == signal.SIGTERM:
                raise Preempted(self._folder, reached.step)
            raise KeyboardInterrupt
