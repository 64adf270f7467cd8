"""The parts of a step: running average, recomputed activations, a compiled encoder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch

from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.config import SpecAugmentConfig
from earmark.pretrain.encoders.base import Augmentation, Encoder
from earmark.pretrain.encoders.config import EncoderConfig, TransformerConfig
from earmark.pretrain.loop.ema import ModelEma
from earmark.pretrain.loop.step import LossModule
from earmark.pretrain.objectives.config import TagsConfig
from earmark.pretrain.objectives.targets import ClassSpec, TargetSpec, TargetSpecs
from earmark.records import Example
from factories import new_example

CLASSES = ClassSpec(names=("a", "b", "c"), counts=(3, 2, 1), clips=4)
MATERIALS = TargetSpecs(parts=(TargetSpec(classes=CLASSES),))


def step_of(config: EncoderConfig, *, compiled: bool = False) -> LossModule:
    encoder = build_encoder(config, seed=1)
    objective = build_objective(TagsConfig(), MATERIALS, dim=encoder.dim, seed=1)
    return LossModule(encoder, objective, compiled=compiled).train()


def tagged(*tags: str) -> Example:
    return new_example(id="clip", path="clip.wav", name="clip.wav", tags=tags)


def gradients(step: LossModule, *, seconds: float = 0.5) -> dict[str, torch.Tensor]:
    torch.manual_seed(7)
    wave = 0.1 * torch.randn(3, int(8000 * seconds))
    lengths = torch.tensor([wave.shape[1], wave.shape[1] // 2, wave.shape[1] // 3])
    targets = step.objective.targets([tagged("a"), tagged("b"), tagged("a", "c")], (1, 2, 3))
    step.zero_grad()
    loss = step(wave, lengths, Augmentation(SpecAugmentConfig(), (1, 2, 3)), targets)
    assert loss.weight == 3
    loss.total.backward()
    return {name: p.grad.clone() for name, p in step.named_parameters() if p.grad is not None}


def test_recomputed_activations_give_the_same_gradients(tiny_encoder: TransformerConfig) -> None:
    config = msgspec.structs.replace(tiny_encoder, dropout=0.3, layers=2)
    kept, recomputed = step_of(config), step_of(config)
    recomputed.encoder.checkpoint_activations = True
    calls = 0

    def count(*_: object) -> None:
        nonlocal calls
        calls += 1

    block = next(m for m in recomputed.encoder.modules() if type(m).__name__ == "TransformerBlock")
    block.register_forward_pre_hook(count)
    first, second = gradients(kept), gradients(recomputed)
    assert calls == 2, "the block should be computed again on the way back"
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


COMPILED = """
import functools
import torch
# The default backend calls a C++ compiler, which takes a minute for each graph.
torch.compile = functools.partial(torch.compile, backend="aot_eager")
from test_training_step import gradients, step_of
from earmark.pretrain.encoders.config import TransformerConfig
torch.set_num_threads(1)
config = TransformerConfig(
    sample_rate=8000, mel_bins=24, dim=16, layers=1, heads=2, stem_channels=(4, 8), dropout=0.0
)
eager, compiled = step_of(config), step_of(config, compiled=True)
for seconds in (0.5, 0.9, 1.3):
    first, second = gradients(eager, seconds=seconds), gradients(compiled, seconds=seconds)
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, rtol=1e-4, atol=1e-4, msg=name)
made = torch._dynamo.utils.counters["stats"]["unique_graphs"]
print("graphs", made)
"""


@pytest.mark.slow
def test_a_compiled_encoder_gives_the_same_gradients() -> None:
    """In a process of its own: here shapes are checked, which would be compiled as well."""
    done = subprocess.run(
        [sys.executable, "-c", COMPILED],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    graphs = int(done.stdout.split()[-1])
    assert 1 <= graphs <= 2, "lengths should not be compiled one by one"


def averaged(decay: float) -> tuple[Encoder, ModelEma]:
    encoder = build_encoder(TransformerConfig(dim=8, layers=1, heads=1), seed=1)
    encoder.register_buffer("seen", torch.tensor(0))
    objective = build_objective(TagsConfig(), MATERIALS, dim=8, seed=1)
    return encoder, ModelEma(encoder, objective, decay)


def test_the_average_grows_slower_and_slower() -> None:
    encoder, average = averaged(0.5)
    expected = encoder.norm.weight.detach().clone()
    for step in range(1, 12):
        with torch.no_grad():
            encoder.norm.weight.add_(1.0)
            encoder.seen.add_(1)
        average.update(step)
        share = min(0.5, (1 + step) / (10 + step))
        expected = share * expected + (1 - share) * encoder.norm.weight.detach()
    torch.testing.assert_close(average.encoder.norm.weight, expected)
    assert average.encoder.seen == 11
    assert not average.encoder.training
    assert not average.encoder.norm.weight.requires_grad
    assert encoder.norm.weight.requires_grad


def test_an_average_comes_back_by_name() -> None:
    encoder, average = averaged(0.9)
    with torch.no_grad():
        encoder.norm.weight.add_(1.0)
    average.update(1)
    _, other = averaged(0.9)
    other.restore(average.tensors())
    assert torch.equal(other.encoder.norm.weight, average.encoder.norm.weight)
    with pytest.raises(RuntimeError, match="Missing key"):
        other.restore({})
