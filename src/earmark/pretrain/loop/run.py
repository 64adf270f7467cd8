"""The one training loop. It never learns which encoder and which objective it has.

  folder/checkpoint/         the finished model
  folder/best/               the model that scored best on the validation split
  folder/log.jsonl           loss, rate and speed by step; scores of the validation split
  folder/state-00000200/     where a killed run goes on
  folder/tensorboard/        the log once more, where pretrain.tensorboard asks for it

Order, crops, masks and dropout are functions of (seed, index, clip id), where the index numbers
micro-batches over all processes. On the CPU a run that was killed and resumed therefore ends with
the same weights, bit for bit, as one that was not. Gradients are weighted means over all
micro-batches of a step, so that two processes do what one does with pretrain.accumulate = 2; a
resumed run may have another number of processes, and goes on right behind what was consumed.

Under torchrun every process calls `pretrain` with the same arguments, on a disk that all of them
share; the first one writes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import torch

from earmark.annotate.vocabulary import Vocabulary
from earmark.pretrain.build import build_encoder, build_objective, resolved
from earmark.pretrain.checkpoints.checkpoint import Checkpoint, save_checkpoint
from earmark.pretrain.config import PretrainConfig
from earmark.pretrain.device import autocast, peak_memory_gib, pick_device
from earmark.pretrain.encoders.base import Augment
from earmark.pretrain.encoders.config import EncoderConfig
from earmark.pretrain.loading.batches import Batch
from earmark.pretrain.loop.average import Average
from earmark.pretrain.loop.clock import Clock
from earmark.pretrain.loop.distributed import world_from_environment
from earmark.pretrain.loop.examples import split_examples
from earmark.pretrain.loop.interrupt import Preempted, deferred_interrupts
from earmark.pretrain.loop.joined import Heard, Taken, joined, named_clips, not_finite, told
from earmark.pretrain.loop.journal import Journal, note, open_journal, tell, train_row
from earmark.pretrain.loop.micro_batches import MicroBatches
from earmark.pretrain.loop.plan import Plan
from earmark.pretrain.loop.process_group import Peers, gradients_kept, process_group
from earmark.pretrain.loop.state import Kept, Reached, drop_states, restore_state, save_state
from earmark.pretrain.loop.step import TrainingStep
from earmark.pretrain.loop.validation import Validation, better
from earmark.pretrain.objectives.base import Loss
from earmark.pretrain.objectives.config import ObjectiveConfig
from earmark.pretrain.optimisers.build import build_optimiser
from earmark.pretrain.randomness import derived_seed
from earmark.pretrain.supervision import gather
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
            state of another run.
        ValueError: the examples were encoded with another vocabulary, or have unknown splits.
        AudioError: a clip cannot be decoded any more.
        FloatingPointError: a loss or a gradient is not finite; the message names step, process and
            clips, and is the same in every process.
        Preempted: SIGTERM; the state of the last finished step is saved first.
        KeyboardInterrupt: Ctrl-C; likewise.
    """
    world = world_from_environment()
    splits = split_examples(examples, vocabulary, objective)
    if not (folder / "checkpoint").exists():
        folder.mkdir(parents=True, exist_ok=True)
        device = pick_device(config.device, world.local_rank if world.size > 1 else None)
        with (
            torch.random.fork_rng(devices=[]),
            deferred_interrupts() as asked,
            process_group(world, device) as peers,
        ):
            plan = Plan(splits, vocabulary, resolved(encoder), objective, config, seed)
            Run(plan, folder, peers, device, asked).finish()
    if world.is_first:
        drop_states(folder)
    return splits.counts()


class Run:
    """One process of a run: what it trains, how far it is, and where it writes.

    Args:
        plan: what is trained on what.
        folder: of the run.
        peers: the run's processes.
        device: of this process.
        asked: tells the signal by which this process was asked to stop, 0 for none.

    Attributes:
        encoder: the weights of the last step; the same in every process.
        objective: likewise.
    """

    def __init__(
        self,
        plan: Plan,
        folder: Path,
        peers: Peers,
        device: torch.device,
        asked: Callable[[], int],
    ) -> None:
        self._plan, self._config = plan, plan.config
        self._folder, self._peers, self._device, self._asked = folder, peers, device, asked
        self._is_first = peers.world.is_first
        self._build()
        self._batches = MicroBatches(plan, peers.world, self.encoder, self.objective, device)
        self._validation = Validation(plan.splits.validation, self._config, device, seed=plan.seed)

    def _build(self) -> None:
        plan, config = self._plan, self._config
        self.encoder = build_encoder(plan.encoder, seed=plan.seed).to(self._device)
        self.encoder.checkpoint_activations = config.checkpoint_activations
        self._steps_taken = dict(self.encoder.named_buffers(recurse=False)).get("steps_taken")
        self._materials = gather(plan.splits.train, plan.vocabulary, plan.objective)
        self.objective = build_objective(
            plan.objective, self._materials, dim=self.encoder.dim, seed=plan.seed
        ).to(self._device)
        self._optimiser = build_optimiser(self.encoder, self.objective, config)
        self._average = (
            Average(self.encoder, self.objective, config.ema_decay)
            if config.ema_decay and self._is_first
            else None
        )

    def finish(self) -> None:
        """Train from the last saved state, or from the start, to the end."""
        reached = self._restored()
        step = TrainingStep(self.encoder, self.objective, compiled=self._config.compile)
        self._module = self._peers.wrapped(step).train()
        with contextlib.ExitStack() as stack:
            journal = None
            if self._is_first:
                journal = stack.enter_context(
                    open_journal(
                        self._folder,
                        step=reached.step,
                        steps=self._config.steps,
                        tensorboard=self._config.tensorboard,
                    )
                )
            self._train(reached, journal)
        if self._is_first:
            save_checkpoint(self._averaged(self._config.steps), self._folder / "checkpoint")
        self._peers.wait()

    def _restored(self) -> Reached:
        """Return how far the run is, the same in every process, with this one's numbers."""
        reached = restore_state(self._folder, self._kept(0), self._plan.fingerprint())
        everyone = self._peers.gather(reached)
        if len(set(everyone)) > 1:
            steps = ", ".join(str(each.step) for each in everyone)
            raise RuntimeError(
                f"the processes read different states in {self._folder} (steps {steps}). They "
                "should be started on one folder, on a disk that all of them share."
            )
        now = msgspec.structs.replace(
            reached, processes=self._peers.world.size, accumulate=self._config.accumulate
        )
        if reached.step and now != reached and self._is_first:
            tell(
                f"goes on after step {reached.step} with {now.processes} processes of "
                f"{now.accumulate} batches a step each, instead of {reached.processes} of "
                f"{reached.accumulate}; the next batches are those behind the "
                f"{reached.consumed} that were consumed."
            )
        return now

    def _train(self, reached: Reached, journal: Journal | None) -> None:
        clock = Clock(reached.audio_s)
        left = self._config.steps - reached.step
        with contextlib.closing(self._batches.behind(reached.consumed, left)) as batches:
            while reached.step < self._config.steps:
                clock.start()
                taken = self._step(reached, batches)
                clock.count(taken.joined.heard_s, taken.joined.waited_s)
                reached = msgspec.structs.replace(
                    reached,
                    step=reached.step + 1,
                    consumed=reached.consumed + self._batches.a_step,
                    audio_s=clock.audio_s,
                )
                if journal is not None:
                    self._tell(journal, clock, reached, taken)
                reached = self._validated(reached, journal)
                self._save(reached, taken.joined.asked)

    def _due(self, done: int, every: int) -> bool:
        return done % every == 0 or done == self._config.steps

    def _step(self, reached: Reached, batches: Iterator[tuple[Batch, float]]) -> Taken:
        """Take one optimiser step."""
        if self._steps_taken is not None:
            self._steps_taken.fill_(reached.step)
        heard: list[Batch] = []
        losses: list[Loss] = []
        waited_s = 0.0
        for place in range(self._config.accumulate):
            batch, wait_s = next(batches)
            index = self._batches.index(reached.consumed, place)
            last = place + 1 == self._config.accumulate
            losses.append(self._backward(batch, index, last=last))
            heard.append(batch)
            waited_s += wait_s
        own = told(heard, losses, waited_s=waited_s, asked=self._asked())
        everyone = joined(self._peers.gather(own))
        # Wrapped modules average over processes what should be summed.
        self._optimiser.scale(self._peers.world.size / everyone.weight)
        norm = self._optimiser.clip(self._config.clip_norm)
        if not (math.isfinite(norm) and math.isfinite(everyone.loss)):
            clips = [clip for batch in heard for clip in batch.examples]
            named = not_finite(self._peers.gather(Heard(tuple(own.losses), named_clips(clips))))
            raise FloatingPointError(
                f"step {reached.step + 1}: the gradient's norm is {norm}, the loss "
                f"{everyone.loss}. Listen to the clips of this batch, or lower "
                f"pretrain.optimiser.lr ({self._config.optimiser.lr:g}): {named}"
            )
        rate = self._optimiser.step(reached.step, self._batches.epoch(reached.consumed))
        self._optimiser.forget()
        if self._average is not None:
            self._average.update(reached.step + 1)
        return Taken(everyone, norm, rate)

    def _backward(self, batch: Batch, index: int, *, last: bool) -> Loss:
        """Add a micro-batch's gradients, weighted; return its loss, detached."""
        torch.manual_seed(derived_seed(self._plan.seed, "dropout", index))
        wave = batch.wave.to(self._device, non_blocking=True)
        lengths = batch.lengths.to(self._device, non_blocking=True)
        augment = Augment(self._config.spec_augment, batch.seeds)
        with gradients_kept(self._module, wanted=not last):
            with autocast(self._device, self._config.precision):
                loss: Loss = self._module(wave, lengths, augment, batch.targets)
            (loss.total * loss.weight).backward()
        return Loss(loss.total.detach(), loss.weight, loss.parts)

    def _tell(self, journal: Journal, clock: Clock, reached: Reached, taken: Taken) -> None:
        memory_gib = peak_memory_gib(self._device)
        journal.advance(note(clock, taken, memory_gib))
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

    def _validated(self, reached: Reached, journal: Journal | None) -> Reached:
        """Validate where it is due, in the first process; keep the best model so far."""
        if not self._due(reached.step, self._config.validate_every):
            return reached
        if not self._plan.splits.validation:
            return reached
        if journal is not None:
            model = self._averaged(reached.step)
            scores = self._validation.scores(model.encoder, model.objective)
            selects = model.objective.selects
            here = {"step": reached.step, "split": "validation", "selects": selects}
            journal.write(here | scores)
            if better(scores[selects], reached.best, selects):
                save_checkpoint(model, self._folder / "best")
                reached = msgspec.structs.replace(reached, best=scores[selects])
        self._peers.wait()
        return reached

    def _save(self, reached: Reached, asked: int) -> None:
        """Save the state where it is due, or where some process was asked to stop: then stop."""
        if self._is_first and (asked or self._due(reached.step, self._config.checkpoint_every)):
            save_state(self._folder, self._kept(reached.step), reached)
        if asked:
            self._peers.wait()
            if asked == signal.SIGTERM:
                raise Preempted(self._folder, reached.step)
            raise KeyboardInterrupt

    def _kept(self, step: int) -> Kept:
        return Kept(self._checkpoint(step), self._optimiser, self._average)

    def _checkpoint(self, step: int) -> Checkpoint:
        plan = self._plan
        return Checkpoint(
            self.encoder,
            self.objective,
            plan.vocabulary,
            self._materials,
            plan.encoder,
            plan.objective,
            step,
        )

    def _averaged(self, step: int) -> Checkpoint:
        """Return the model as it is used: the running average, where there is one."""
        latest = self._checkpoint(step)
        if self._average is None:
            return latest
        return dataclasses.replace(
            latest, encoder=self._average.encoder, objective=self._average.objective
        )
