"""Work that is measured: each in a fresh interpreter, so that time and memory are its own.

A process prints what it found as one JSON object.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec

CLIPS, CLIP_S, SAMPLE_RATE = 8, 10, 16000
MATMUL = 1024
ORDER_CLIPS = 10_000_000
ORDER_BATCH_S = 640.0


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a process is to do.

    Args:
        task: Zipformer's forward pass in eval mode ("forward") or forward and backward in training
            ("step"), on 8 clips of 10 s; or the order of ten million clips.
        size: of the Zipformer.
        threads: of torch.
        passes: how often it is timed.
    """

    task: Literal["forward", "step", "order"]
    size: Literal["S", "M", "L"] = "M"
    threads: int = 2
    passes: int = 3


def measured(work: Work) -> dict[str, float]:
    """Do the work in a process of its own; return what it found."""
    command = [sys.executable, __file__, msgspec.json.encode(work).decode()]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=dict[str, float])


def best_s(work: Callable[[], Any], passes: int) -> float:
    """Return the seconds that the quickest of so many passes takes."""
    times_s: list[float] = []
    for _ in range(passes):
        began_s = time.perf_counter()
        work()
        times_s.append(time.perf_counter() - began_s)
    return min(times_s)


def mean_s(work: Callable[[], Any], at_least_s: float) -> float:
    """Return the mean seconds of so many passes as fill a time."""
    passes, began_s = 0, time.perf_counter()
    while time.perf_counter() - began_s < at_least_s:
        work()
        passes += 1
    return (time.perf_counter() - began_s) / passes


def memory_mib(what: Literal["VmHWM", "VmRSS"]) -> float:
    """Return the peak or the present memory of this process; its parent's is not in it."""
    status = Path("/proc/self/status").read_text()
    return float(status.partition(f"{what}:")[2].split()[0]) / 2**10


def encoder_pass(work: Work) -> dict[str, float]:
    import torch

    from earmark.pretrain.build import build_encoder
    from earmark.pretrain.encoders.config import ZipformerConfig

    torch.set_num_threads(work.threads)
    torch.manual_seed(0)
    encoder = build_encoder(ZipformerConfig(size=work.size)).train(work.task == "step")
    wave = torch.randn(CLIPS, CLIP_S * SAMPLE_RATE) * 0.1
    lengths = torch.full((CLIPS,), CLIP_S * SAMPLE_RATE)
    factors = torch.randn(2, MATMUL, MATMUL)

    def forward() -> None:
        with torch.inference_mode():
            encoder(wave, lengths)

    def step() -> None:
        encoder.zero_grad()
        encoder(wave, lengths).pooled().square().sum().backward()

    one_pass = step if work.task == "step" else forward
    before_mib = memory_mib("VmRSS")
    one_pass()
    peak_mib = memory_mib("VmHWM") - before_mib
    ratios: list[float] = []
    passes_s: list[float] = []
    for _ in range(work.passes):
        passes_s.append(best_s(one_pass, 1))
        # For as long as the pass, so that what else the machine does weighs on both alike.
        matmul_s = mean_s(lambda: factors[0] @ factors[1], passes_s[-1])
        ratios.append(passes_s[-1] / matmul_s)
    pass_s, matmuls = min(passes_s), statistics.median(ratios)
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    return {
        "pass_s": pass_s,
        "matmuls": matmuls,
        "peak_gib": peak_mib / 2**10,
        "parameters_m": parameters / 1e6,
    }


def order(work: Work) -> dict[str, float]:
    import numpy as np

    from earmark.pretrain.data.sampler import BucketSampler

    durations_s = log_normal_s(ORDER_CLIPS)
    before_mib = memory_mib("VmRSS")
    began_s = time.perf_counter()
    made = BucketSampler(durations_s, ORDER_BATCH_S, seed=0)
    built_s = time.perf_counter() - began_s
    epoch_s = best_s(lambda: made(0), 1)
    places = np.random.default_rng(0).integers(made.batches_per_epoch, size=1000).tolist()
    lookup_s = best_s(lambda: [made(place) for place in places], work.passes) / len(places)
    peak_mib = memory_mib("VmHWM") - before_mib
    return {"built_s": built_s, "epoch_s": epoch_s, "lookup_s": lookup_s, "peak_mib": peak_mib}


def log_normal_s(clips: int) -> Any:
    """Return durations of 1 to 30 s, half of them under 7.4 s."""
    import numpy as np

    return np.random.default_rng(0).lognormal(2.0, 0.8, clips).clip(1.0, 30.0)


if __name__ == "__main__":
    given = msgspec.json.decode(sys.argv[1], type=Work)
    found = order(given) if given.task == "order" else encoder_pass(given)
    print(msgspec.json.encode(found).decode())
