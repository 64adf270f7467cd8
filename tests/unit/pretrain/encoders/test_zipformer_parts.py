"""The parts of a Zipformer against their formulas, written out plainly."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch.overrides import TorchFunctionMode

from earmark.pretrain.encoders.zipformer import modules, schedule
from earmark.pretrain.encoders.zipformer.encoder import combine_outputs
from earmark.pretrain.encoders.zipformer.layers import Bypass, Downsample


def test_rates_fall_along_their_schedules() -> None:
    start, middle, end = (schedule.rates_at(torch.tensor(n), 0.1) for n in (0, 2_000, 60_000))
    assert [float(rate) for rate in start] == pytest.approx([0.3, 0.5, 0.2, 0.2, 0.1, 0.25, 0.9])
    assert float(middle.layer) == pytest.approx(0.26)
    assert float(middle.min_bypass) == pytest.approx(0.83)
    assert [float(rate) for rate in end] == pytest.approx(
        [0.1, 0.02, 0, 0, 0, 0.025, 0.2], abs=1e-7
    )


def test_a_bypass_outside_of_its_limits_is_driven_back() -> None:
    bypass = Bypass(3)
    with torch.no_grad():
        bypass.scale.copy_(torch.tensor([0.5, 0.95, 1.2]))
    rates = schedule.rates_at(torch.tensor(0), 0.1)
    before = torch.zeros(1, 1, 3)
    for sign in (1.0, -1.0):
        bypass.scale.grad = None
        bypass(before, torch.full((1, 1, 3), sign), rates).sum().backward()
        assert bypass.scale.grad is not None
        # Descent raises what is too low, lowers what is too high, and is free in between.
        assert bypass.scale.grad.tolist() == [-1.0, sign, 1.0]


def test_swoosh_is_its_formula() -> None:
    values = torch.linspace(-60, 60, 121, dtype=torch.float64)
    zero = torch.zeros_like(values)
    left = torch.logaddexp(zero, values - 4) - 0.08 * values - 0.035
    right = torch.logaddexp(zero, values - 1) - 0.08 * values - 0.313261687
    torch.testing.assert_close(modules.swoosh_l(values - 4), left)
    torch.testing.assert_close(modules.swoosh_r(values - 1), right)
    shifted, kept = values.requires_grad_(), torch.rand(121, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: modules.swoosh_l(v, kept), (shifted,))


@pytest.mark.slow
def test_swoosh_compiles_for_every_size_at_once() -> None:
    # In a process of its own: under test, shape checks are wound around every function.
    script = """
import torch
from earmark.pretrain.encoders.zipformer.modules import SWOOSH_R_SHIFT, swoosh_r
bias = torch.zeros(4, requires_grad=True)
def run(frames):
    return swoosh_r(frames + (bias - SWOOSH_R_SHIFT))
compiled = torch.compile(run, fullgraph=True, dynamic=True, backend="aot_eager")
for count in (3, 5):
    frames = torch.randn(count, 4)
    torch.testing.assert_close(compiled(frames), run(frames))
compiled(frames).sum().backward()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_under_autocast_the_softmax_is_float32() -> None:
    torch.manual_seed(0)
    module = modules.AttentionWeights(8, 2, 4, 3, 12).requires_grad_(False)
    seen: list[torch.dtype] = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if func is torch.Tensor.softmax:
                seen.append(out.dtype)
            return out

    frames, mask = torch.randn(1, 40, 8), torch.ones(1, 40, dtype=torch.bool)
    positions = modules.relative_positions(40, 12, frames)
    exact = module(frames, positions, mask)
    with torch.autocast("cpu", torch.bfloat16), Watch():
        rounded = module(frames, positions, mask)
    assert seen == [torch.float32]
    torch.testing.assert_close(rounded.float(), exact, rtol=0.03, atol=1e-3)


def test_listening_alike_is_the_mean_of_real_frames() -> None:
    rates = schedule.rates_at(torch.tensor(0), 0.1)
    none, all_ = torch.zeros(()), torch.ones(())
    values, heard = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    mask = torch.tensor([[True] * 3, [True, True, False]])
    alike = rates._replace(uniform_attention=all_, attention=none)
    expected = torch.stack([values[0].mean(dim=0), values[1, :2].mean(dim=0)])
    got = modules.randomize_attention(heard, values, mask, alike)
    torch.testing.assert_close(got, expected.unsqueeze(1).expand(2, 3, 4))
    own = rates._replace(uniform_attention=none, attention=none)
    torch.testing.assert_close(modules.randomize_attention(heard, values, mask, own), heard)
    for even in (none, all_):
        without = rates._replace(uniform_attention=even, attention=all_)
        assert not modules.randomize_attention(heard, values, mask, without).any()


def test_bias_norm_scales_by_the_distance_from_its_bias() -> None:
    norm = modules.BiasNorm(2)
    with torch.no_grad():
        norm.bias.copy_(torch.tensor([1.0, 0.0]))
        norm.log_scale.fill_(math.log(2.0))
    expected = torch.tensor([[4.0, 4.0]]) * 2.0 / math.sqrt((3.0**2 + 4.0**2) / 2)
    torch.testing.assert_close(norm(torch.tensor([[4.0, 4.0]])), expected)


def test_attention_weights_are_those_of_the_plain_formula() -> None:
    torch.manual_seed(0)
    module = modules.AttentionWeights(8, 2, 4, 3, 12)
    frames, mask = torch.randn(2, 5, 8), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    positions = modules.relative_positions(5, 12, frames)
    module.requires_grad_(False)
    got = module(frames, positions, mask)
    query, key, where = module.project(frames).split((8, 8, 6), dim=-1)
    encoded = module.project_position(positions)
    for row, head, i, j in [(0, 0, 0, 4), (0, 1, 4, 0), (1, 0, 1, 2), (1, 1, 4, 1)]:
        scores = [
            float(query[row, i, 4 * head : 4 * head + 4] @ key[row, other, 4 * head : 4 * head + 4])
            + float(
                where[row, i, 3 * head : 3 * head + 3]
                @ encoded[other - i + 5, 3 * head : 3 * head + 3]
            )
            for other in range(int(mask[row].sum()))
        ]
        assert float(got[row, head, i, j]) == pytest.approx(
            float(torch.tensor(scores).softmax(0)[j])
        )
    assert (got[1, :, :, 3:] == 0).all()


def test_downsampling_is_a_weighted_mean() -> None:
    downsample = Downsample(2)
    with torch.no_grad():
        downsample.logits.copy_(torch.tensor([0.0, math.log(3.0)]))
    frames = torch.tensor([[[0.0], [4.0], [8.0], [0.0]]])
    torch.testing.assert_close(downsample(frames), torch.tensor([[[3.0], [2.0]]]))


def test_a_channel_comes_from_the_last_stack_that_has_it() -> None:
    outputs = [torch.full((1, 1, width), float(width)) for width in (2, 4, 3, 1)]
    assert combine_outputs(outputs).tolist() == [[[1.0, 3.0, 3.0, 4.0]]]
