"""Zipformer: its sizes, its padding, its schedules and its formulas, without the fixtures."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from earmark.pretrain.encoders.config import ZipformerConfig, ZipformerShape
from earmark.pretrain.encoders.zipformer import encoder as zipformer_encoder
from earmark.pretrain.encoders.zipformer.encoder import Zipformer

TINY = ZipformerShape(
    layers=(1, 1, 1),
    dims=(16, 24, 16),
    feed_forward_dims=(24, 32, 24),
    heads=(2, 2, 2),
    query_head_dim=4,
    value_head_dim=4,
    position_dim=12,
    kernels=(7, 5, 7),
    downsampling=(1, 4, 2),
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(*, dropout: float = 0.1) -> Zipformer:
    torch.manual_seed(0)
    encoder = Zipformer(ZipformerConfig(shape=TINY, mel_bins=24, dropout=dropout))
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return encoder


def log_mel(batch: int, frames: int) -> torch.Tensor:
    return torch.randn(batch, frames, 24, generator=torch.Generator().manual_seed(1)) * 3 - 6


@pytest.mark.parametrize(
    ("size", "millions", "dim"), [("S", 9.58, 256), ("M", 65.9, 512), ("L", 152.7, 768)]
)
def test_the_sizes_are_the_published_ones(size: str, millions: float, dim: int) -> None:
    with torch.device("meta"), pytest.MonkeyPatch.context() as patch:
        # The mel filters are checked as they are built, which a tensor without data cannot be.
        patch.setattr(zipformer_encoder, "LogMel", lambda *_: nn.Identity())
        encoder = Zipformer(ZipformerConfig(size=size))  # pyright: ignore[reportArgumentType]
    count = sum(parameter.numel() for parameter in encoder.parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.05)
    assert encoder.dim == dim
    assert encoder.frame_rate == 25.0


@pytest.mark.parametrize("length", [1, 2, 8, 9, 10, 15, 22, 23, 24, 57, 95, 101])
def test_a_clip_alone_is_the_clip_in_a_batch(length: int) -> None:
    encoder, features = tiny().eval(), log_mel(3, 130)
    behind = features.clone()
    behind[1, length:] = 1e4
    with torch.inference_mode():
        together = encoder.forward_features(behind, torch.tensor([130, length, 64]))
        alone = encoder.forward_features(features[1:2, :length], torch.tensor([length]))
    count = int(alone.mask.sum())
    assert count == alone.frames.shape[1] == int(together.mask[1].sum())
    assert count == -(-max((length - 7) // 2, 1) // 2)
    torch.testing.assert_close(together.frames[1, :count], alone.frames[0], rtol=0, atol=1e-5)


def test_every_frame_hears_every_other() -> None:
    encoder, features = tiny().eval(), log_mel(1, 101).requires_grad_()
    encoded = encoder.forward_features(features, torch.tensor([101]))
    for place in (0, -1):
        (gradient,) = torch.autograd.grad(
            encoded.frames[0, place].sum(), features, retain_graph=True
        )
        assert (gradient[0, :-3].abs().sum(dim=1) > 0).all()


@pytest.mark.slow
def test_the_gradient_is_the_derivative() -> None:
    encoder = tiny().eval().double()
    features, lengths = log_mel(2, 41).double(), torch.tensor([41, 30])
    probe = torch.randn(2, 9, 24, dtype=torch.float64)

    def loss() -> torch.Tensor:
        return (encoder.forward_features(features, lengths).frames * probe).sum()

    def loss_at(own: dict[str, torch.Tensor], directions: list[torch.Tensor], far: float) -> float:
        with torch.no_grad():
            torch._foreach_add_(list(own.values()), directions, alpha=far)
            value = float(loss())
            torch._foreach_sub_(list(own.values()), directions, alpha=far)
        return value

    loss().backward()
    for name, module in encoder.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if not own:
            continue
        directions = [torch.randn_like(parameter) for parameter in own.values()]
        expected = (loss_at(own, directions, 1e-6) - loss_at(own, directions, -1e-6)) / 2e-6
        got = 0.0
        for parameter, direction in zip(own.values(), directions, strict=True):
            assert parameter.grad is not None, name
            got += float((parameter.grad * direction).sum())
        assert got == pytest.approx(expected, rel=1e-4, abs=1e-5), name


def test_recomputed_layers_give_the_same_gradients() -> None:
    gradients: list[torch.Tensor] = []
    for recompute in (False, True):
        encoder = tiny().train()
        encoder.checkpoint_activations = recompute
        torch.manual_seed(3)
        frames = encoder.forward_features(log_mel(2, 60), torch.tensor([60, 41])).frames
        frames.square().sum().backward()
        grads = [parameter.grad for parameter in encoder.parameters()]
        gradients.append(torch.cat([grad.flatten() for grad in grads if grad is not None]))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=0)


def test_training_is_left_to_chance_and_evaluation_is_not() -> None:
    encoder, features, lengths = tiny(), log_mel(1, 30), torch.tensor([30])
    encoder.train()
    first, second = (encoder.forward_features(features, lengths).frames for _ in range(2))
    assert not torch.equal(first, second)
    encoder.eval()
    third, fourth = (encoder.forward_features(features, lengths).frames for _ in range(2))
    assert torch.equal(third, fourth)


def test_what_is_dropped_follows_the_steps_taken() -> None:
    encoder, features, lengths = tiny(), log_mel(16, 30), torch.full((16,), 30)
    with torch.no_grad():
        expected = encoder.eval().forward_features(features, lengths).frames
    encoder.train()
    far: list[float] = []
    for step in (0, 60_000):
        encoder.steps_taken.fill_(step)
        torch.manual_seed(0)
        with torch.no_grad():
            frames = encoder.forward_features(features, lengths).frames
        far.append(float((frames - expected).square().mean()))
        assert int(encoder.steps_taken) == step
    assert far[1] < 0.5 * far[0]
    assert "steps_taken" in encoder.state_dict()


def test_without_dropout_training_leaves_nothing_to_chance() -> None:
    encoder, features, lengths = tiny(dropout=0.0), log_mel(1, 30), torch.tensor([30])
    trained = encoder.train().forward_features(features, lengths).frames
    torch.testing.assert_close(encoder.eval().forward_features(features, lengths).frames, trained)


@pytest.mark.slow
def test_the_whole_compiles_and_exports_in_one_graph() -> None:
    # In a process of its own: under test, shape checks are wound around every function.
    script = """
import warnings; warnings.simplefilter("ignore")
import torch
from earmark.pretrain.encoders.config import ZipformerConfig, ZipformerShape
from earmark.pretrain.encoders.zipformer import encoder as zipformer_encoder
from earmark.pretrain.encoders.zipformer.encoder import Zipformer
torch.set_num_threads(1)
shape = ZipformerShape(layers=(1, 1), dims=(8, 12), feed_forward_dims=(8, 8), heads=(1, 1),
    query_head_dim=4, position_dim=12, kernels=(3, 3), downsampling=(1, 2))
encoder = Zipformer(ZipformerConfig(shape=shape, mel_bins=16))
features, lengths = torch.randn(2, 40, 16), torch.tensor([40, 21])
def run(features, lengths):
    encoded = encoder.forward_features(features, lengths)
    return encoded.frames, encoded.mask
compiled = torch.compile(run, fullgraph=True, backend="aot_eager")
compiled(features, lengths)[0].sum().backward()
compiled(features, lengths)
assert int(encoder.steps_taken) == 0
encoder.eval()
torch.testing.assert_close(compiled(features, lengths)[0], run(features, lengths)[0])
class Whole(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = encoder
    def forward(self, features, lengths):
        return run(features, lengths)
auto = torch.export.Dim.AUTO
shapes = {"features": {0: auto, 1: auto}, "lengths": {0: auto}}
exported = torch.export.export(Whole(), (features, lengths), dynamic_shapes=shapes).module()
longer = torch.randn(3, 77, 16), torch.tensor([77, 5, 60])
torch.testing.assert_close(exported(*longer)[0], run(*longer)[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
