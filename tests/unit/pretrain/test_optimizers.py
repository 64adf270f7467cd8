from __future__ import annotations

import math

import msgspec
import pytest
import torch
from torch import Tensor, nn

from earmark.pretrain.config import AdamWConfig, OptimizerConfig, PretrainConfig, ScaledAdamConfig
from earmark.pretrain.optim.optimizers import Optimizer, build_optimizer, clip_factor
from earmark.pretrain.optim.schedules import cosine_schedule, eden_schedule

STEPS = 7


def modules() -> tuple[nn.Module, nn.Module]:
    """Return an encoder with like and unlike shapes, a zero and a single number, and a head."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.LayerNorm(4))
        encoder.register_parameter("gain", nn.Parameter(torch.tensor(0.3)))
        return encoder, nn.Linear(4, 2)


def gradients(parameters: list[nn.Parameter], step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(p.shape, generator=generator) for p in parameters]


def after_steps(
    kind: OptimizerConfig, *, size: float = 1.0, steps: int = STEPS
) -> tuple[list[Tensor], list[float]]:
    encoder, objective = modules()
    optimizer = build_optimizer(encoder, objective, PretrainConfig(steps=20, optimizer=kind))
    parameters = [each.parameter for each in optimizer.named]
    with torch.no_grad():
        for parameter in parameters:
            parameter.mul_(size)
    rates = [take(optimizer, parameters, step) for step in range(steps)]
    return [parameter.detach().clone() for parameter in parameters], rates


def take(optimizer: Optimizer, parameters: list[nn.Parameter], step: int) -> float:
    for parameter, gradient in zip(parameters, gradients(parameters, step), strict=True):
        parameter.grad = gradient
    return optimizer.step(step, step / 3)


def scaled_adam_in_plain_loops(config: ScaledAdamConfig, rates: list[float]) -> list[Tensor]:
    """Return what the formulas of arXiv 2310.11230, section 3.5, give, a tensor at a time."""
    encoder, objective = modules()
    ends: list[Tensor] = []
    named = [*encoder.parameters(), *objective.parameters()]
    grads = [gradients(named, step) for step in range(STEPS)]
    for place, parameter in enumerate(named):
        theta = parameter.detach().double()
        m = v = torch.zeros_like(theta)
        n = w = torch.zeros((), dtype=torch.float64)
        for step, rate in enumerate(rates):
            g = grads[step][place].double()
            h = (g * theta).sum()
            m, v = 0.9 * m + 0.1 * g, 0.98 * v + 0.02 * g**2
            n, w = 0.9 * n + 0.1 * h, 0.98 * w + 0.02 * h**2
            bias = math.sqrt(1 - 0.98 ** (step + 1)) / (1 - 0.9 ** (step + 1))
            if theta.numel() == 1:
                theta = theta - 0.1 * rate * bias * m / (v.sqrt() + 1e-8)
                continue
            r = theta.square().mean().sqrt().clamp(min=1e-5)
            change = r * m / (v.sqrt() + 1e-8) + 0.1 * theta * n / (w.sqrt() + 1e-8)
            theta = theta - rate * bias * change
        ends.append(theta.float())
    return ends


def test_scaled_adam_is_what_the_paper_says() -> None:
    config = ScaledAdamConfig(warmup_steps=4)
    ours, rates = after_steps(config)
    for mine, reference in zip(ours, scaled_adam_in_plain_loops(config, rates), strict=True):
        torch.testing.assert_close(mine, reference, rtol=1e-5, atol=1e-8)


def test_scaled_adam_moves_a_tensor_in_proportion_to_its_size() -> None:
    """Gradients are the same, so that tensors ten times as large should end ten times as large."""
    small, _ = after_steps(ScaledAdamConfig())
    large, _ = after_steps(ScaledAdamConfig(), size=10.0)
    for before, after in zip(small, large, strict=True):
        if before.numel() > 1 and before.abs().max() > 1e-2 and (10 * before).abs().max() < 3:
            torch.testing.assert_close(10 * before, after, rtol=1e-4, atol=1e-5)


def test_scaled_adam_leaves_zero() -> None:
    encoder = nn.Linear(3, 3)
    nn.init.zeros_(encoder.bias)
    config = PretrainConfig(optimizer=ScaledAdamConfig(warmup_steps=0))
    optimizer = build_optimizer(encoder, nn.Linear(1, 1), config)
    for step in range(300):
        encoder.bias.grad = -torch.ones(3)
        optimizer.step(step, 0.0)
    assert encoder.bias.min() > 0.1


@pytest.mark.parametrize(
    ("size", "sign", "change"), [(2.0, -1.0, 1.1), (3.0, -1.0, 1.0), (3.0, 1.0, -1.1)]
)
def test_scaled_adam_does_not_learn_sizes_beyond_its_ceiling(
    size: float, sign: float, change: float
) -> None:
    """At the first step Adam's moments cancel out: each term of the formula is a whole rate."""
    encoder = nn.Linear(3, 3)
    nn.init.constant_(encoder.weight, size)
    config = PretrainConfig(optimizer=ScaledAdamConfig(lr=0.01, warmup_steps=0))
    optimizer = build_optimizer(encoder, nn.Linear(1, 1), config)
    encoder.weight.grad = sign * torch.ones(3, 3)
    optimizer.step(0, 0.0)
    expected = torch.full((3, 3), size * (1 + 0.01 * change))
    torch.testing.assert_close(encoder.weight.detach(), expected)


def test_adamw_decays_matrices_alone_and_has_two_rates() -> None:
    encoder, objective = modules()
    kind = AdamWConfig(lr=1e-3, objective_lr=1e-2, warmup_steps=0, weight_decay=0.5)
    optimizer = build_optimizer(encoder, objective, PretrainConfig(steps=10, optimizer=kind))
    named = {each.name: each.parameter for each in optimizer.named}
    before = {name: parameter.detach().clone() for name, parameter in named.items()}
    for parameter in named.values():
        parameter.grad = torch.zeros_like(parameter)
    assert optimizer.step(0, 0.0) == 1e-3
    for name, parameter in named.items():
        rate = 1e-2 if name.startswith("objective") else 1e-3
        kept = 1.0 - 0.5 * rate if parameter.ndim >= 2 else 1.0
        torch.testing.assert_close(parameter.detach(), kept * before[name])


@pytest.mark.parametrize("kind", [AdamWConfig(), ScaledAdamConfig()])
def test_moments_come_back_by_name(kind: OptimizerConfig) -> None:
    ends, _ = after_steps(kind)
    encoder, objective = modules()
    config = PretrainConfig(steps=20, optimizer=kind)
    first = build_optimizer(encoder, objective, config)
    parameters = [each.parameter for each in first.named]
    for step in range(3):
        take(first, parameters, step)
    kept = {name: tensor.clone() for name, tensor in first.tensors().items()}
    assert any(name.startswith("encoder.0.weight.") for name in kept)
    second = build_optimizer(encoder, objective, config)
    second.restore(kept)
    for step in range(3, STEPS):
        take(second, parameters, step)
    for end, parameter in zip(ends, parameters, strict=True):
        assert torch.equal(end, parameter.detach())


def test_gradients_are_scaled_and_clipped_together() -> None:
    encoder, objective = modules()
    optimizer = build_optimizer(encoder, objective, PretrainConfig())
    (first, second), others = [e.parameter for e in optimizer.named][:2], optimizer.named[2:]
    first.grad, second.grad = torch.zeros_like(first), torch.zeros_like(second)
    first.grad.view(-1)[0], second.grad.view(-1)[0] = 6.0, 8.0
    norm = float(optimizer.norm())
    assert norm == pytest.approx(10.0)
    assert clip_factor(0.5 * norm, 1.0) == pytest.approx(0.2)
    assert clip_factor(0.9, 1.0) == clip_factor(0.0, 1.0) == 1.0
    optimizer.scale(0.5 * clip_factor(0.5 * norm, 1.0))
    assert first.grad.sum() == pytest.approx(0.6, rel=1e-4)
    assert second.grad.sum() == pytest.approx(0.8, rel=1e-4)
    assert all(each.parameter.grad is None for each in others)
    optimizer.forget()
    assert first.grad is None


def test_frozen_parameters_are_left_out() -> None:
    encoder, objective = modules()
    encoder.requires_grad_(False)
    optimizer = build_optimizer(encoder, objective, PretrainConfig())
    assert {each.owner for each in optimizer.named} == {"objective"}


def test_cosine_rises_and_falls() -> None:
    assert [cosine_schedule(step, 100, 4) for step in (0, 3)] == pytest.approx(
        [0.25, 1.0], rel=3e-3
    )
    assert cosine_schedule(50, 100, 4) == pytest.approx(0.5)
    assert cosine_schedule(99, 100, 0) < 1e-3


def test_eden_is_what_the_paper_says() -> None:
    for step, epoch in ((0, 0.0), (10, 0.1), (500, 1.0), (7500, 3.5), (100000, 20.0)):
        warm = 0.5 + 0.5 * min(1.0, step / 500)
        expected = (
            ((step**2 + 7500**2) / 7500**2) ** -0.25
            * ((epoch**2 + 3.5**2) / 3.5**2) ** -0.25
            * warm
        )
        assert eden_schedule(step, epoch, steps=7500, epochs=3.5, warmup_steps=500) == expected
    assert eden_schedule(7500, 3.5, steps=7500, epochs=3.5, warmup_steps=0) == pytest.approx(
        2**-0.5
    )
    assert eden_schedule(0, 0.0, steps=7500, epochs=3.5, warmup_steps=0) == 1.0


def test_settings_name_their_optimizer() -> None:
    for kind in ("adamw", "scaled-adam"):
        config = msgspec.convert({"optimizer": {"kind": kind}}, PretrainConfig)
        built = build_optimizer(*modules(), config)
        assert type(built).__name__.lower() == kind.replace("-", "")
