"""The one training loop. It never learns which encoder and which objective it has.

  folder/checkpoint/         the finished model
  folder/log.jsonl           loss, rate and speed by step; scores of the validation split
  folder/state-00000200/     where a killed run goes on

Order, crops, masks and dropout are functions of (seed, step, clip id). On the CPU a run that was
killed and resumed therefore ends with the same weights, bit for bit, as one that was not.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import fingerprint
from earmark.pretrain.batches import Batch, Order, load_batch, prefetch
from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.checkpoint import Checkpoint, save_checkpoint
from earmark.pretrain.config import EncoderConfig, ObjectiveConfig, PretrainConfig
from earmark.pretrain.device import autocast, pick_device
from earmark.pretrain.encoders.base import Augment, Encoded
from earmark.pretrain.examples import Splits, split_examples
from earmark.pretrain.interrupt import deferred_interrupts
from earmark.pretrain.log import Log
from earmark.pretrain.objectives.tags import tag_frequencies
from earmark.pretrain.optimiser import Optimiser
from earmark.pretrain.randomness import derived_seed
from earmark.pretrain.state import Reached, drop_states, restore_state, save_state
from earmark.pretrain.waves import group_by_length
from earmark.progress import track
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
    a finished one it does nothing. The test split is counted, never opened.

    Returns:
        Counts: "in" is every example, "out" those trained on or validated with.

    Raises:
        ConfigError: there is nothing to train on, the device is not there, or the folder holds the
            state of another run.
        ValueError: the examples were encoded with another vocabulary, or have unknown splits.
        AudioError: a clip cannot be decoded any more.
        FloatingPointError: a gradient is not finite; the message names the clips of the batch.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the state of the last finished step is saved first.
    """
    splits = split_examples(examples, vocabulary)
    if not (folder / "checkpoint").exists():
        folder.mkdir(parents=True, exist_ok=True)
        Run(splits, vocabulary, encoder, objective, config, folder, seed=seed).finish()
    drop_states(folder)
    counts = {"in": len(examples), "out": len(splits.train) + len(splits.validation)}
    return counts | ({"pretrain: held out for test": splits.test} if splits.test else {})


class Run:
    """What one run trains, how far it is, and where it writes."""

    def __init__(
        self,
        splits: Splits,
        vocabulary: Vocabulary,
        encoder: EncoderConfig,
        objective: ObjectiveConfig,
        config: PretrainConfig,
        folder: Path,
        *,
        seed: int,
    ) -> None:
        self._splits, self._vocabulary, self._folder = splits, vocabulary, folder
        self._configs = (encoder, objective)
        self._config, self._seed = config, seed
        self._device = pick_device(config.device)
        self._encoder = build_encoder(encoder, seed=seed).to(self._device)
        self._objective = build_objective(
            objective,
            dim=self._encoder.dim,
            vocabulary_size=len(vocabulary),
            frequencies=tag_frequencies(splits.train, len(vocabulary)),
            seed=seed,
        ).to(self._device)
        self._optimiser = Optimiser(self._encoder, self._objective, config)
        durations_s = [min(example.duration_s, config.max_clip_s) for example in splits.train]
        self._order = Order(durations_s, config.batch_s, seed=seed)

    def finish(self) -> None:
        """Train from the last saved state, or from the start, to the end."""
        used = (self._splits.train, self._splits.validation)
        ids = [[example.id for example in split] for split in used]
        run = fingerprint(
            *self._configs, self._config, self._vocabulary.fingerprint, ids, self._seed
        )
        reached = restore_state(self._folder, self._checkpoint(0), self._optimiser, run)
        with torch.random.fork_rng(devices=[]), deferred_interrupts() as interrupted:
            self._train(reached, interrupted)
        save_checkpoint(self._checkpoint(self._config.steps), self._folder / "checkpoint")

    def _train(self, reached: Reached, interrupted: Callable[[], bool]) -> None:
        log = Log(self._folder / "log.jsonl", step=reached.step)
        clock = Clock(reached.audio_s)
        steps = range(reached.step, self._config.steps)
        batches = prefetch(self._load_train, steps, self._config.workers)
        with (
            contextlib.closing(batches),
            track("pretrain", total=len(steps), unit="steps") as progress,
        ):
            for step, batch in zip(steps, batches, strict=True):
                loss, rate = self._step(step, batch)
                clock.count(batch, self._encoder.sample_rate)
                progress.advance(note=f"loss {loss:.4f}, {clock.audio_s_per_s:.0f} audio-s/s")
                if self._due(step + 1, self._config.log_every):
                    row = {"step": step + 1, "split": "train", "loss": loss, "lr": rate}
                    log.write(row | clock.row())
                if self._due(step + 1, self._config.validate_every) and self._splits.validation:
                    log.write({"step": step + 1, "split": "validation"} | self._validate())
                stop = interrupted()
                if stop or self._due(step + 1, self._config.checkpoint_every):
                    now = Reached(run=reached.run, step=step + 1, audio_s=clock.audio_s)
                    save_state(self._folder, self._checkpoint(step + 1), self._optimiser, now)
                if stop:
                    raise KeyboardInterrupt
                clock.start()

    def _due(self, done: int, every: int) -> bool:
        return done % every == 0 or done == self._config.steps

    def _step(self, step: int, batch: Batch) -> tuple[float, float]:
        """Take one optimiser step; return the loss and the learning rate."""
        torch.manual_seed(derived_seed(self._seed, "dropout", step))
        self._encoder.train()
        self._objective.train()
        augment = Augment(self._config.spec_augment, batch.seeds)
        with autocast(self._device, self._config.precision):
            encoded = self._encode(batch, augment)
            loss = self._objective(encoded, self._objective.targets(batch.examples)).total
        loss.backward()
        norm = self._optimiser.clip()
        if not math.isfinite(norm):
            clips = ", ".join(f"{clip.id} ({clip.path})" for clip in batch.examples)
            raise FloatingPointError(
                f"step {step}: the gradient's norm is {norm}, the loss {loss.item()}. Listen to "
                f"the clips of this batch, or lower pretrain.lr ({self._config.lr:g}): {clips}"
            )
        return loss.item(), self._optimiser.step(step)

    def _encode(self, batch: Batch, augment: Augment | None = None) -> Encoded:
        wave = batch.wave.to(self._device, non_blocking=True)
        return self._encoder(wave, batch.lengths.to(self._device, non_blocking=True), augment)

    @torch.inference_mode()
    def _validate(self) -> dict[str, float]:
        """Return the objective's scores on the validation split."""
        self._encoder.eval()
        self._objective.eval()
        with autocast(self._device, self._config.precision):
            return self._objective.measure(self._validation_batches())

    def _validation_batches(self) -> Iterator[tuple[Encoded, Any]]:
        clips, config = self._splits.validation, self._config
        durations_s = [min(clip.duration_s, config.max_clip_s) for clip in clips]
        groups = group_by_length(durations_s, config.batch_s)

        def load(group: int) -> Batch:
            # Step -1: long clips are heard at one place, the same in every pass.
            return self._load([clips[place] for place in groups[group]], step=-1)

        for batch in prefetch(load, range(len(groups)), config.workers):
            yield self._encode(batch), self._objective.targets(batch.examples)

    def _load_train(self, step: int) -> Batch:
        return self._load([self._splits.train[place] for place in self._order(step)], step=step)

    def _load(self, clips: Sequence[Example], *, step: int) -> Batch:
        rate = self._encoder.sample_rate
        return load_batch(clips, rate, self._config.max_clip_s, seed=self._seed, step=step)

    def _checkpoint(self, step: int) -> Checkpoint:
        return Checkpoint(self._encoder, self._objective, self._vocabulary, *self._configs, step)


class Clock:
    """Seconds of audio heard, and how fast; time between `count` and `start` does not count.

    Args:
        audio_s: seconds of audio that earlier parts of the run have heard.
    """

    def __init__(self, audio_s: float) -> None:
        self.audio_s = audio_s
        self._heard_s = self._spent_s = 0.0
        self.start()

    def start(self) -> None:
        """Go on measuring time."""
        self._since_s = time.perf_counter()

    def count(self, batch: Batch, sample_rate: int) -> None:
        """Add the time since `start`, and the real seconds of a batch."""
        self._spent_s += time.perf_counter() - self._since_s
        heard_s = float(batch.lengths.sum()) / sample_rate
        self._heard_s += heard_s
        self.audio_s += heard_s

    @property
    def audio_s_per_s(self) -> float:
        """Seconds of audio a second, since the last row."""
        return self._heard_s / max(self._spent_s, 1e-9)

    def row(self) -> dict[str, float]:
        """Return what goes into the log, and begin to measure the speed anew."""
        row = {"audio_s": round(self.audio_s, 3), "audio_s_per_s": round(self.audio_s_per_s, 1)}
        self._heard_s = self._spent_s = 0.0
        return row
