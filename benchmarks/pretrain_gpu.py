"""Training steps of Zipformer-M on a CUDA device: speed, memory, and waiting for data.

A step is the loop's own: front end, SpecAugment as in the paper, encoder, the objective `tags`,
backward, clipped gradients and AdamW. Batches are those that `pretrain` makes of clips of
log-normal durations, 1 to 30 s, loaded from FLAC files while it runs.

    python benchmarks/pretrain_gpu.py --tiny  # every function once, on any machine, in a minute
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch
from figures import Figure
from pretrain_clips import flac_examples
from pretrain_work import SAMPLE_RATE, log_normal_s
from torch.utils.flop_counter import FlopCounterMode

from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.config import PretrainConfig, SpecAugmentConfig
from earmark.pretrain.data.loader import Batch, load_batch, prefetch
from earmark.pretrain.data.sampler import BucketSampler
from earmark.pretrain.device import autocast, peak_memory_gib
from earmark.pretrain.encoders.base import Augmentation
from earmark.pretrain.encoders.config import ZipformerConfig, ZipformerShape
from earmark.pretrain.loop.step import LossModule
from earmark.pretrain.objectives.base import Objective
from earmark.pretrain.objectives.config import TagsConfig
from earmark.pretrain.objectives.targets import ClassSpec, TargetSpec, TargetSpecs
from earmark.pretrain.optim.optimizers import build_optimizer, clip_factor
from earmark.records import Example

LONGEST_S = 30
TAGS = tuple(f"tag {number}" for number in range(500))
MATERIALS = TargetSpecs(
    parts=(TargetSpec(classes=ClassSpec(names=TAGS, counts=(1,) * len(TAGS), clips=len(TAGS))),)
)
PAPER = SpecAugmentConfig(
    probability=0.9, time_warp=80, time_masks=10, time_width=100, mel_masks=2, mel_width=27
)


@dataclass(frozen=True)
class Sizes:
    """What is trained on how much: clips on the disk, seconds a batch, steps before and while it
    is timed, and the side of the matmul that speed is told in.
    """

    device: torch.device
    encoder: ZipformerConfig
    clips: int
    batch_s: float
    warm_steps: int
    steps: int
    matmul: int

    def synchronise(self) -> None:
        """Wait for the device."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


FULL = Sizes(
    device=torch.device("cuda"),
    encoder=ZipformerConfig(size="M"),
    clips=512,
    batch_s=640.0,
    # As many as see most lengths, so that compilation is over.
    warm_steps=12,
    steps=30,
    matmul=8192,
)
TINY = Sizes(
    device=torch.device("cpu"),
    encoder=ZipformerConfig(
        shape=ZipformerShape(
            layers=(1, 1),
            dims=(8, 12),
            feed_forward_dims=(8, 8),
            heads=(1, 1),
            kernels=(3, 3),
            downsampling=(1, 2),
        )
    ),
    clips=6,
    batch_s=40.0,
    warm_steps=1,
    steps=2,
    matmul=64,
)


@dataclass(frozen=True)
class Speed:
    """Seconds of audio a second, the peak memory, and the share of time spent waiting."""

    audio_s_per_s: float
    peak_gib: float
    wait_share: float


def figures(sizes: Sizes = FULL) -> Iterator[Figure]:
    """Compare bfloat16, compiled, with float32 as it is."""
    with tempfile.TemporaryDirectory() as folder:
        examples = clips(Path(folder), sizes.clips)
        speeds = {
            "float32": trained(sizes, examples, "float32", compiled=False),
            "bfloat16": trained(sizes, examples, "bfloat16", compiled=False),
            "bfloat16, compiled": trained(sizes, examples, "bfloat16", compiled=True),
        }
        flops = flops_of_a_second(sizes, examples)
    where = torch.cuda.get_device_name() if sizes.device.type == "cuda" else "cpu, tiny"
    print(f"gpu: {where}, torch {torch.__version__}", flush=True)
    for name, speed in speeds.items():
        used = 100 * speed.audio_s_per_s * flops / matmul_flops_per_s(sizes)
        yield Figure(f"Zipformer-M, {name}", speed.audio_s_per_s, "audio-seconds a second")
        yield Figure(f"Zipformer-M, {name}, peak", speed.peak_gib, "GiB")
        yield Figure(f"Zipformer-M, {name}, MFU", used, "% of the best bfloat16 matmul")
    best = speeds["bfloat16, compiled"]
    gain = best.audio_s_per_s / speeds["float32"].audio_s_per_s
    yield Figure("Zipformer-M, bfloat16 and compiled, of float32", gain, "times", 3.0, "least")
    yield Figure("Zipformer-M, waiting for data", best.wait_share, "of the time", 0.05)


def clips(folder: Path, count: int) -> list[Example]:
    """Return clips of log-normal durations, each with two tags: windows of files of 30 s."""
    files = flac_examples(folder, min(count, 64), LONGEST_S, SAMPLE_RATE)
    return [
        msgspec.structs.replace(
            files[number % len(files)],
            id=f"clip-{number}",
            parent=files[number % len(files)].id,
            duration_s=float(duration_s),
            tags=(TAGS[number % len(TAGS)], TAGS[(number + 1) % len(TAGS)]),
        )
        for number, duration_s in enumerate(log_normal_s(count))
    ]


def batches_of(
    sizes: Sizes, examples: Sequence[Example], objective: Objective[object]
) -> Callable[[int], Batch]:
    """Return a function that loads the batch of an index, as `pretrain` does."""
    order = BucketSampler([clip.duration_s for clip in examples], sizes.batch_s, seed=0)

    def load(index: int) -> Batch:
        return load_batch(
            [examples[place] for place in order(index)],
            SAMPLE_RATE,
            LONGEST_S,
            objective.targets,
            seed=0,
            step=index,
            pin_memory=sizes.device.type == "cuda",
        )

    return load


def trained(sizes: Sizes, examples: Sequence[Example], precision: str, *, compiled: bool) -> Speed:
    """Take steps on fresh weights, and time those after the first few."""
    module, step = training_step(sizes, precision, compiled=compiled)
    load = batches_of(sizes, examples, module.objective)
    if sizes.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    waits_s, began_s, audio_s = 0.0, 0.0, 0.0
    total = sizes.warm_steps + sizes.steps
    for index, (batch, waited_s) in enumerate(
        prefetch(load, range(total), (os.cpu_count() or 2) - 1)
    ):
        if index == sizes.warm_steps:
            sizes.synchronise()
            waits_s, began_s, audio_s = 0.0, time.perf_counter(), 0.0
        else:
            waits_s += waited_s
        step(batch)
        audio_s += batch.duration_s
    sizes.synchronise()
    spent_s = time.perf_counter() - began_s
    return Speed(audio_s / spent_s, peak_memory_gib(sizes.device), waits_s / spent_s)


def training_step(
    sizes: Sizes, precision: str, *, compiled: bool
) -> tuple[LossModule, Callable[[Batch], None]]:
    """Return fresh weights, and what takes one optimizer step of them as the loop does."""
    encoder = build_encoder(sizes.encoder).to(sizes.device)
    objective = build_objective(TagsConfig(), MATERIALS, dim=encoder.dim).to(sizes.device)
    module = LossModule(encoder, objective, compiled=compiled).train()
    optimizer = build_optimizer(encoder, objective, PretrainConfig())
    taken = 0

    def step(batch: Batch) -> None:
        nonlocal taken
        wave = batch.wave.to(sizes.device, non_blocking=True)
        lengths = batch.lengths.to(sizes.device, non_blocking=True)
        with autocast(sizes.device, precision):
            loss = module(wave, lengths, Augmentation(PAPER, batch.seeds), batch.targets)
        (loss.total * loss.weight).backward()
        # The loop reads its loss at every step as well.
        loss.total.item()
        norm = float(optimizer.norm()) / loss.weight
        optimizer.scale(clip_factor(norm, 1.0) / loss.weight)
        optimizer.step(taken, 0.0)
        optimizer.forget()
        taken += 1

    return module, step


def flops_of_a_second(sizes: Sizes, examples: Sequence[Example]) -> float:
    """Count a step's multiplications and additions in matmuls and convolutions, by real audio."""
    module, step = training_step(sizes, "float32", compiled=False)
    batch = batches_of(sizes, examples, module.objective)(0)
    with FlopCounterMode(display=False) as counter:
        step(batch)
    return float(counter.get_total_flops()) / batch.duration_s


def matmul_flops_per_s(sizes: Sizes) -> float:
    """Return what the device reaches in a large bfloat16 matmul."""
    side = sizes.matmul
    factors = torch.randn(2, side, side, device=sizes.device, dtype=torch.bfloat16)
    best_s = float("inf")
    for _ in range(10):
        sizes.synchronise()
        began_s = time.perf_counter()
        torch.matmul(factors[0], factors[1])
        sizes.synchronise()
        best_s = min(best_s, time.perf_counter() - began_s)
    return 2.0 * side**3 / best_s


if __name__ == "__main__":
    for figure in figures(TINY if "--tiny" in sys.argv[1:] else FULL):
        print(figure, flush=True)
