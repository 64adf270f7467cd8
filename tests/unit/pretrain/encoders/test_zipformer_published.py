"""The authors' implementation: its numbers, its checkpoints, and what cannot be read of them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from earmark.config import ConfigError
from earmark.pretrain.encoders.config import ZipformerConfig, ZipformerShape
from earmark.pretrain.encoders.zipformer.encoder import Zipformer
from earmark.pretrain.encoders.zipformer.published import (
    UNPUBLISHED_STATE,
    load_published,
    published_name,
)

UNTOUCHED = ("output_downsample.logits", "stacks.5.combine.scale")
"""Parameters whose gradients in the fixture are the derivative of its loss.

The other gradients in it are not: finite differences of that loss in float64 agree with ours and
not with the fixture. They are checked against the derivative (test_zipformer.py).
"""

CONFIG: dict[str, Any] = {
    "model_type": "zipformer",
    "feature_dim": 24,
    "output_downsampling_factor": 2,
    "num_encoder_layers": [1, 2],
    "downsampling_factor": [1, 2],
    "encoder_dim": [8, 12],
    "feedforward_dim": [8, 16],
    "num_heads": [2],
    "query_head_dim": [4],
    "value_head_dim": [4],
    "pos_head_dim": [4],
    "pos_dim": 12,
    "cnn_module_kernel": [5, 3],
    "causal": False,
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def parity() -> Path:
    """Return the folder of the authors' numbers."""
    pack = os.environ.get("EARMARK_PACK")
    default = str(Path(pack).parent / "parity") if pack else ""
    folder = Path(os.environ.get("EARMARK_PARITY", default) or "no such folder")
    if not (folder / "io.safetensors").exists():
        pytest.skip("no parity fixtures: set EARMARK_PARITY to their folder")
    return folder


@pytest.fixture(scope="module")
def numbers(parity: Path) -> dict[str, Tensor]:
    return load_file(parity / "io.safetensors")


def test_outputs_are_the_authors(parity: Path, numbers: dict[str, Tensor]) -> None:
    encoder, config = load_published(parity)
    assert config.shape is not None
    assert encoder.dim == max(config.shape.dims) == 80
    with torch.inference_mode():
        encoded = encoder.forward_features(numbers["x"], numbers["x_lens"])
        exact = encoder.double().forward_features(numbers["x"].double(), numbers["x_lens"])
    assert torch.equal(encoded.mask.sum(dim=1), numbers["encoder_out_lens"])
    torch.testing.assert_close(encoded.frames, numbers["encoder_out"], rtol=0, atol=1e-4)
    torch.testing.assert_close(exact.frames, numbers["encoder_out_f64"], rtol=0, atol=1e-8)


def test_every_stage_is_the_authors(parity: Path, numbers: dict[str, Tensor]) -> None:
    encoder, _ = load_published(parity)
    seen: dict[str, Tensor] = {}
    encoder.stem.register_forward_hook(
        lambda _, __, out: seen.update({"act.encoder_embed": out[0].detach()})
    )
    for place, stack in enumerate(encoder.stacks):
        stack.register_forward_hook(
            lambda _, __, out, name=f"act.stack{place}": seen.update({name: out.detach()})
        )
    encoder.forward_features(numbers["x"], numbers["x_lens"])
    assert len(seen) == 7
    for name, frames in seen.items():
        expected = numbers[name] if "embed" in name else numbers[name].transpose(0, 1)
        torch.testing.assert_close(frames, expected, rtol=0, atol=1e-4, msg=lambda m, n=name: n + m)


def test_gradients_are_the_authors_where_theirs_are_untouched(
    parity: Path, numbers: dict[str, Tensor]
) -> None:
    encoder, _ = load_published(parity)
    frames = encoder.forward_features(numbers["x"], numbers["x_lens"]).frames
    (frames * numbers["grad_probe"]).sum().backward()
    for name, parameter in encoder.named_parameters():
        expected = numbers["grad." + published_name(name)].reshape(parameter.shape)
        assert parameter.grad is not None, name
        if name in UNTOUCHED:
            torch.testing.assert_close(parameter.grad, expected, rtol=1e-4, atol=1e-4)


def test_padding_changes_nothing_with_published_weights(
    parity: Path, numbers: dict[str, Tensor]
) -> None:
    encoder, _ = load_published(parity)
    with torch.inference_mode():
        together = encoder.forward_features(numbers["x"], numbers["x_lens"])
        for row, length in enumerate(numbers["x_lens"].tolist()):
            features = numbers["x"][row : row + 1, :length]
            alone = encoder.forward_features(features, torch.tensor([length])).frames[0]
            torch.testing.assert_close(together.frames[row, : len(alone)], alone, rtol=0, atol=1e-4)


def test_names_and_shapes_are_those_of_the_published_medium_size(parity: Path) -> None:
    rows = (parity / "zipformer_m_parameters.tsv").read_text().splitlines()
    published = {name: shape for name, shape, *_ in (row.split("\t") for row in rows)}
    legacy = re.compile(r"model_batch_count|.*layers\.\d+\.bypass_scale")
    expected = {
        name: tuple(int(n) for n in re.findall(r"\d+", shape))
        for name, shape in published.items()
        if not legacy.fullmatch(name)
    }
    ours = {
        published_name(name): tuple(weight.shape)
        for name, weight in Zipformer(ZipformerConfig()).state_dict().items()
        if name not in UNPUBLISHED_STATE
    }
    for name in ("pointwise_conv1", "pointwise_conv2"):
        ours[f"encoder_embed.convnext.{name}.weight"] += (1, 1)
    assert ours == expected


def write(folder: Path, weights: dict[str, Tensor], **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    save_file(weights, folder / "model.safetensors")
    return folder


@pytest.fixture
def encoder() -> Zipformer:
    torch.manual_seed(0)
    shape = ZipformerShape(
        layers=(1, 2),
        dims=(8, 12),
        feed_forward_dims=(8, 16),
        heads=(2, 2),
        query_head_dim=4,
        value_head_dim=4,
        position_dim=12,
        kernels=(5, 3),
        downsampling=(1, 2),
    )
    return Zipformer(ZipformerConfig(shape=shape, mel_bins=24)).eval()


@pytest.fixture
def weights(encoder: Zipformer) -> dict[str, Tensor]:
    """Return weights as the authors' implementation would write them."""
    named = {
        published_name(name): weight.clone()
        for name, weight in encoder.state_dict().items()
        if name not in UNPUBLISHED_STATE
    }
    for name in ("pointwise_conv1", "pointwise_conv2"):
        key = f"encoder_embed.convnext.{name}.weight"
        named[key] = named[key][:, :, None, None].contiguous()
    named["model_batch_count"] = torch.tensor(5.0)
    named["encoder.encoders.0.layers.0.bypass_scale"] = torch.zeros(8)
    named["encoder.encoders.1.encoder.layers.1.bypass_scale"] = torch.zeros(12)
    return named


@pytest.mark.parametrize("prefix", ["", "encoder.", "model.audio."])
def test_a_checkpoint_goes_round(
    encoder: Zipformer, weights: dict[str, Tensor], tmp_path: Path, prefix: str
) -> None:
    whole = {prefix + name: weight for name, weight in weights.items()}
    folder = write(tmp_path / "model", whole | {"classifier.weight": torch.zeros(3)})
    loaded, config = load_published(folder)
    assert config.mel_bins == 24
    assert not loaded.training
    features, lengths = torch.randn(1, 30, 24), torch.tensor([30])
    with torch.inference_mode():
        got, expected = (m.forward_features(features, lengths).frames for m in (loaded, encoder))
    assert torch.equal(got, expected)


def test_what_does_not_fit_is_named(weights: dict[str, Tensor], tmp_path: Path) -> None:
    name = "encoder.encoders.0.layers.0.norm.bias"
    lacking = {key: weight for key, weight in weights.items() if key != name}
    with pytest.raises(ConfigError, match=f"lacks {name}"):
        load_published(write(tmp_path / "a", lacking))
    with pytest.raises(ConfigError, match=r"norm.biases.*Did you mean '.*norm.bias'"):
        load_published(write(tmp_path / "b", weights | {name[:-4] + "biases": torch.zeros(8)}))
    with pytest.raises(ConfigError, match=r"norm.bias has the shape \(9,\), .* makes it \(8,\)"):
        load_published(write(tmp_path / "c", weights | {name: torch.zeros(9)}))
    with pytest.raises(ConfigError, match="prefixes found here: none"):
        load_published(write(tmp_path / "d", {"head.weight": torch.zeros(1)}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"causal": True}, "causal = true: a streaming Zipformer"),
        ({"model_type": "bert"}, "only 'zipformer' is read here"),
        ({"value_head_dim": [4, 8]}, "must be the same in all stacks"),
        ({"num_heads": [1, 2, 3]}, "num_heads has 3 numbers, but encoder_dim has 2"),
        ({"pos_dims": 3}, "pos_dims is no setting .* Did you mean 'pos_dim'"),
        ({"pos_dim": "many"}, "Expected `int`, got `str`"),
    ],
)
def test_a_configuration_that_is_not_supported_is_refused(
    weights: dict[str, Tensor], tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_published(write(tmp_path / "model", weights, **changes))


def test_a_pickle_is_not_read(weights: dict[str, Tensor], tmp_path: Path) -> None:
    folder = write(tmp_path / "model", weights)
    (folder / "model.safetensors").rename(folder / "pretrained.pt")
    with pytest.raises(ConfigError, match=r"pretrained.pt is not read: a pickle runs"):
        load_published(folder)


def test_other_folders_are_not_published(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{not json")
    with pytest.raises(ConfigError, match="missing or no JSON object"):
        load_published(tmp_path)
