"""Training steps of Zipformer-M on a CUDA device: speed, memory, and waiting for data.

A step is the front end, SpecAugment as in the paper, the encoder with a sum of its frames for an
objective, backward, and AdamW, on batches that are loaded from FLAC files while it runs.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from figures import Figure
from pretrain_clips import batch_loader, flac_examples
from torch.utils.flop_counter import FlopCounterMode

from earmark.pretrain.build import build_encoder
from earmark.pretrain.config import SpecAugmentConfig
from earmark.pretrain.device import autocast
from earmark.pretrain.encoders.base import Augment
from earmark.pretrain.encoders.config import ZipformerConfig
from earmark.pretrain.loading.batches import Batch, prefetch

CLIPS, CLIP_S, SAMPLE_RATE = 64, 10, 16000
WARM_STEPS, STEPS = 6, 20
PEAK_MATMUL = 8192
DEVICE = torch.device("cuda")
PAPER = SpecAugmentConfig(
    probability=0.9, time_warp=80, time_masks=10, time_width=100, mel_masks=2, mel_width=27
)


@dataclass(frozen=True)
class Speed:
    """Seconds of audio a second, the device's peak memory, and the share of time spent waiting."""

    audio_s_per_s: float
    peak_gib: float
    wait_share: float


def figures() -> Iterator[Figure]:
    """Compare bfloat16, compiled, with float32 as it is."""
    with tempfile.TemporaryDirectory() as folder:
        examples = flac_examples(Path(folder), 2 * CLIPS, CLIP_S, SAMPLE_RATE)
        load = batch_loader(examples, CLIPS, SAMPLE_RATE, pin_memory=True)
        plain = trained(load, "float32", compiled=False)
        narrow = trained(load, "bfloat16", compiled=False)
        best = trained(load, "bfloat16", compiled=True)
        flops = flops_of_a_step(load(0)) / (CLIPS * CLIP_S)
    print(f"gpu: {torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    for name, speed in (
        ("float32", plain),
        ("bfloat16", narrow),
        ("bfloat16, compiled", best),
    ):
        used = 100 * speed.audio_s_per_s * flops / matmul_flops_per_s()
        yield Figure(f"Zipformer-M, {name}", speed.audio_s_per_s, "audio-seconds a second")
        yield Figure(f"Zipformer-M, {name}, peak", speed.peak_gib, "GiB")
        yield Figure(f"Zipformer-M, {name}, MFU", used, "% of the best bfloat16 matmul")
    gain = best.audio_s_per_s / plain.audio_s_per_s
    yield Figure("Zipformer-M, bfloat16 and compiled, of float32", gain, "times", 3.0, "least")
    yield Figure("Zipformer-M, waiting for data", best.wait_share, "of the time", 0.05)


def trained(load: Callable[[int], Batch], precision: str, *, compiled: bool) -> Speed:
    """Take steps on fresh weights, and time those after the first few."""
    step = training_step(precision, compiled=compiled)
    torch.cuda.reset_peak_memory_stats()
    waits_s, began_s = 0.0, 0.0
    batches = prefetch(load, range(WARM_STEPS + STEPS), (os.cpu_count() or 2) - 1)
    for index, (batch, waited_s) in enumerate(batches):
        if index == WARM_STEPS:
            torch.cuda.synchronize()
            waits_s, began_s = 0.0, time.perf_counter()
        else:
            waits_s += waited_s
        step(batch)
    torch.cuda.synchronize()
    spent_s = time.perf_counter() - began_s
    return Speed(
        STEPS * CLIPS * CLIP_S / spent_s,
        torch.cuda.max_memory_allocated() / 2**30,
        waits_s / spent_s,
    )


def training_step(precision: str, *, compiled: bool) -> Callable[[Batch], None]:
    encoder = build_encoder(ZipformerConfig(size="M")).to(DEVICE).train()
    optimiser = torch.optim.AdamW(encoder.parameters(), lr=1e-5, fused=True)
    network = encoder.forward_features
    network = torch.compile(network, dynamic=True) if compiled else network

    def step(batch: Batch) -> None:
        wave = batch.wave.to(DEVICE, non_blocking=True)
        lengths = batch.lengths.to(DEVICE, non_blocking=True)
        with autocast(DEVICE, precision):
            features, counts = encoder.prepared(wave, lengths, Augment(PAPER, batch.seeds))
            loss = network(features, counts).pooled().square().mean()
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        # The loop reads its loss at every step as well.
        loss.item()

    return step


def flops_of_a_step(batch: Batch) -> float:
    """Count the multiplications and additions of matmuls and convolutions."""
    step = training_step("float32", compiled=False)
    with FlopCounterMode(display=False) as counter:
        step(batch)
    return float(counter.get_total_flops())


def matmul_flops_per_s() -> float:
    """Return what the device reaches in a large bfloat16 matmul."""
    factors = torch.randn(2, PEAK_MATMUL, PEAK_MATMUL, device=DEVICE, dtype=torch.bfloat16)
    best_s = float("inf")
    for _ in range(10):
        torch.cuda.synchronize()
        began_s = time.perf_counter()
        factors[0] @ factors[1]
        torch.cuda.synchronize()
        best_s = min(best_s, time.perf_counter() - began_s)
    return 2.0 * PEAK_MATMUL**3 / best_s
