"""What pre-training costs, as ratios to a named peer or bound in the same run.

    python benchmarks/pretrain.py                      # all; five minutes on two cores
    python benchmarks/pretrain.py --only front loader  # some of: front loader order cpu gpu

front: log-mel against lhotse's Fbank on the same clips, one thread. loader: batches against
soundfile alone on the same FLAC files. order: of log-normal durations of 1 to 30 s. cpu: Zipformer
on 8 clips of 10 s against one 1024 x 1024 x 1024 float32 matmul, two threads; a step is forward and
backward, memory is what a process holds at most above what it held before. gpu, where there is one:
bfloat16 with a compiler against float32 without. One line a figure: name, value, unit, goal, ok or
short; "-" where nothing was promised. Exit 1 where one is short.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from figures import Figure
from pretrain_clips import batch_loader, flac_examples
from pretrain_work import ORDER_BATCH_S, SAMPLE_RATE, Work, best_s, log_normal_s, measured

FRONT_CLIPS, LOADER_CLIPS, CLIP_S = 16, 192, 10
LOADER_BATCH = 8
ORDER_CLIPS = 360_000
"""As many as the paper trains on."""


def front() -> Iterator[Figure]:
    """Compare our log-mel with lhotse's, which has to agree."""
    import torch
    from lhotse import Fbank, FbankConfig

    from earmark.pretrain.encoders.log_mel import LogMel

    torch.set_num_threads(1)
    config = FbankConfig(SAMPLE_RATE, num_mel_bins=80, dither=0.0, snip_edges=False, high_freq=-400)
    peer, log_mel = Fbank(config), LogMel(SAMPLE_RATE, 80)
    wave = torch.randn(FRONT_CLIPS, CLIP_S * SAMPLE_RATE) * 0.1
    lengths, rows = torch.full((FRONT_CLIPS,), wave.shape[1]), list(wave)
    with torch.inference_mode():
        theirs = torch.stack([torch.as_tensor(x) for x in peer.extract_batch(rows, SAMPLE_RATE)])
        difference = (log_mel(wave, lengths)[0] - theirs).abs().max().item()
        pairs = [
            (
                best_s(lambda: log_mel(wave, lengths), 3),
                best_s(lambda: peer.extract_batch(rows, SAMPLE_RATE), 3),
            )
            for _ in range(5)
        ]
    ours_s, theirs_s = (min(times) for times in zip(*pairs, strict=True))
    yield Figure("front end", FRONT_CLIPS / ours_s, "clips of 10 s a core-second")
    yield Figure("front end, of lhotse's Fbank", theirs_s / ours_s, "times faster", 1.85, "least")
    yield Figure("front end, farthest from it", difference, "nats on white noise", 5e-3)


def loader() -> Iterator[Figure]:
    """Compare batches with bare decoding, and two threads with one."""
    import soundfile
    import torch

    from earmark.pretrain.data.loader import prefetch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        examples = flac_examples(Path(folder), LOADER_CLIPS, CLIP_S, SAMPLE_RATE)
        load = batch_loader(examples, LOADER_BATCH, SAMPLE_RATE)
        batches = range(LOADER_CLIPS // LOADER_BATCH)

        def bare(workers: int) -> None:
            with ThreadPoolExecutor(workers) as pool:
                for _ in pool.map(lambda e: soundfile.read(e.path, dtype="float32"), examples):
                    pass

        def loaded(workers: int) -> None:
            for _ in prefetch(load, batches, workers):
                pass

        ways = (lambda: bare(1), lambda: loaded(1), lambda: bare(2), lambda: loaded(2))
        rounds = [[best_s(way, 1) for way in ways] for _ in range(7)]
    bare_s, one_s, bare_two_s, two_s = (min(times) for times in zip(*rounds, strict=True))
    yield Figure("loader, one thread", LOADER_CLIPS / one_s, "FLAC clips of 10 s a second")
    yield Figure("loader, of soundfile alone", bare_s / one_s, "of its speed", 0.8, "least")
    if (os.cpu_count() or 1) > 1:
        yield Figure("soundfile, two threads", bare_s / bare_two_s, "times one")
        yield Figure("loader, two threads", one_s / two_s, "times one", 1.6, "least")
        yield Figure("loader, of soundfile's two", bare_two_s / two_s, "of its speed", 0.8, "least")


def order() -> Iterator[Figure]:
    """Look at one epoch of the paper's size, and at what ten million clips cost."""
    import numpy as np

    from earmark.pretrain.data.sampler import BucketSampler

    durations_s = log_normal_s(ORDER_CLIPS)
    made = BucketSampler(durations_s, ORDER_BATCH_S, seed=0)
    batches = [made(index) for index in range(made.batches_per_epoch)]
    padded_s = sum(durations_s[batch].max() * len(batch) for batch in batches)
    turns = np.concatenate(batches)
    correlation = np.corrcoef(turns, np.arange(len(turns)))[0, 1]
    yield Figure("order, padding", 100 * (1 - durations_s.sum() / padded_s), "%", 6.0)
    yield Figure("order, against that of files", abs(correlation), "rank correlation", 0.05)
    found = measured(Work(task="order"))
    yield Figure("order, 10M clips sorted", found["built_s"], "s", 10.0)
    yield Figure("order, 10M clips shuffled", found["epoch_s"], "s an epoch", 1.5)
    yield Figure("order, 10M clips, peak", found["peak_mib"], "MiB", 531.0)
    yield Figure("order, 10M clips, a batch's clips", 1e6 * found["lookup_s"], "us")


def cpu() -> Iterator[Figure]:
    """Compare Zipformer's passes with a matmul; the goals are for size M."""
    goals = {("M", "forward"): (130.0, 1.2), ("M", "step"): (300.0, 3.2)}
    for size in ("S", "M"):
        for task in ("forward", "step"):
            found = measured(Work(task=task, size=size))
            matmuls, peak_gib = goals.get((size, task), (None, None))
            name = f"Zipformer-{size}, {task}"
            yield Figure(name, found["pass_s"], "s")
            yield Figure(f"{name}, of a matmul", found["matmuls"], "times its time", matmuls)
            yield Figure(f"{name}, peak", found["peak_gib"], "GiB", peak_gib)


def gpu() -> Iterator[Figure]:
    """Train Zipformer-M on an accelerator, where there is one."""
    import torch

    if not torch.cuda.is_available():
        print("gpu: no CUDA device here", flush=True)
        return
    from pretrain_gpu import figures

    yield from figures()


CASES: dict[str, Callable[[], Iterator[Figure]]] = {
    "front": front,
    "loader": loader,
    "order": order,
    "cpu": cpu,
    "gpu": gpu,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    short = 0
    for case in parser.parse_args().only:
        for figure in CASES[case]():
            short += not figure.good
            print(figure, flush=True)
    return int(short > 0)


if __name__ == "__main__":
    sys.exit(main())
