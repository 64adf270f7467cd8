"""Models of `transformers` behind an encoder's face say what they say by themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from earmark.config import ConfigError
from earmark.pretrain.build import build_encoder, resolve_encoder_config
from earmark.pretrain.encoders.config import HuggingFaceConfig
from earmark.pretrain.huggingface import silence_transformers

torch.set_num_threads(1)

# WavLM's attention mixes kinds of masks, which torch deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Support for mismatched key_padding_mask")

MODELS = (
    *("ast", "whisper", "clap"),
    *("wav2vec2", "wav2vec2-large", "hubert", "wavlm", "data2vec"),
)
Saved = Callable[[str], Path]


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def noise(seconds: float, rate: int) -> np.ndarray:
    rng = np.random.default_rng(int(1000 * seconds))
    return (0.1 * rng.normal(size=int(seconds * rate))).astype(np.float32)


def heard_by_itself(name: str, folder: Path, wave: np.ndarray, layer: int) -> torch.Tensor:
    """Frames [frames, dim] of the model alone, behind its own feature extractor."""
    from transformers import AutoFeatureExtractor, AutoModel

    model = AutoModel.from_pretrained(folder).eval()
    part = {"whisper": "encoder", "clap": "audio_model"}.get(name)
    extractor = AutoFeatureExtractor.from_pretrained(folder)
    rate = extractor.sampling_rate
    inputs = extractor(wave, sampling_rate=rate, return_tensors="pt")
    inputs.pop("attention_mask", None)
    inputs.pop("is_longer", None)
    with torch.no_grad():
        said = (getattr(model, part) if part else model)(**inputs, output_hidden_states=True)
    hidden = said.last_hidden_state if layer == -1 else said.hidden_states[layer]
    if name == "ast":
        hidden = hidden[:, 2:].unflatten(1, (5, -1)).mean(dim=1)
    return (hidden.mean(dim=2).transpose(1, 2) if name == "clap" else hidden)[0]


@pytest.mark.parametrize("layer", [-1, 1, 0])
@pytest.mark.parametrize("seconds", [0.7, 1.2])
def test_frames_are_those_of_the_model_behind_its_own_extractor(
    name: str, seconds: float, layer: int, audio_model: Saved
) -> None:
    if name == "clap" and layer != -1:
        return
    folder = audio_model(name)
    encoder = build_encoder(HuggingFaceConfig(model=str(folder), layer=layer)).eval()
    wave = noise(seconds, encoder.sample_rate)
    with torch.no_grad():
        encoded = encoder(torch.from_numpy(wave)[None], torch.tensor([len(wave)]))
    frames = encoded.frames[0, encoded.mask[0]]
    expected = heard_by_itself(name, folder, wave, layer)[: len(frames)]
    torch.testing.assert_close(frames, expected, rtol=0, atol=1e-3)
    assert abs(len(frames) - seconds * encoder.frame_rate) <= 1.5


def test_a_layer_that_is_not_there_is_told(audio_model: Saved) -> None:
    for layer in (3, -4):
        config = HuggingFaceConfig(model=str(audio_model("hubert")), layer=layer)
        with pytest.raises(ConfigError, match="the model has 2 layers: give 0 to 2"):
            build_encoder(config)
    with pytest.raises(ConfigError, match="leave it at -1"):
        build_encoder(HuggingFaceConfig(model=str(audio_model("clap")), layer=1))


def test_a_model_is_built_again_without_its_folder(name: str, audio_model: Saved) -> None:
    config = resolve_encoder_config(HuggingFaceConfig(model=str(audio_model(name))))
    gone = msgspec.structs.replace(config, model="gone/away")
    first = build_encoder(config).eval()
    again = build_encoder(gone, pretrained=False).eval()
    again.load_state_dict(first.state_dict())
    wave = noise(0.9, first.sample_rate)
    np.testing.assert_array_equal(first.embed([wave]), again.embed([wave]))
    with pytest.raises(ConfigError, match="weights of 'gone/away' cannot be had"):
        build_encoder(gone)


def test_fresh_weights_follow_from_the_seed(audio_model: Saved) -> None:
    config = HuggingFaceConfig(model=str(audio_model("wav2vec2")), pretrained=False)
    first, same, other = (build_encoder(config, seed=seed) for seed in (1, 1, 2))
    wave = noise(0.5, first.sample_rate)
    np.testing.assert_array_equal(first.embed([wave]), same.embed([wave]))
    assert not np.allclose(first.embed([wave]), other.embed([wave]))


def test_a_path_to_nothing_is_told_at_once() -> None:
    for model in ("/no/where", "./nowhere", "~/nowhere"):
        with pytest.raises(ConfigError, match="no such folder"):
            HuggingFaceConfig(model=model)
    # A checkpoint is read where its model's folder is gone.
    HuggingFaceConfig(model="/no/where", architecture="{}")


def test_a_pickle_is_not_read(tmp_path: Path, audio_model: Saved) -> None:
    folder = audio_model("hubert")
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    torch.save(load_file(folder / "model.safetensors"), tmp_path / "pytorch_model.bin")
    with pytest.raises(ConfigError, match=r"safetensors alone: a pickle.*save_pretrained"):
        build_encoder(HuggingFaceConfig(model=str(tmp_path)))


def test_loading_is_quiet_and_leaves_transformers_as_it_was(
    audio_model: Saved, capfd: pytest.CaptureFixture[str]
) -> None:
    from transformers.utils import logging

    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    # In training alone there is a mask embedding, which transformers reports as not read.
    folders = [audio_model(name) for name in ("wav2vec2-large", "clap")]
    capfd.readouterr()
    for folder in folders:
        build_encoder(HuggingFaceConfig(model=str(folder)))
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before
    with pytest.raises(ConfigError), silence_transformers():
        raise ConfigError("within")
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


def test_what_is_no_audio_model_is_told(tmp_path: Path, audio_model: Saved) -> None:
    with pytest.raises(ConfigError, match="model is empty"):
        build_encoder(HuggingFaceConfig())
    with pytest.raises(ConfigError, match="cannot be had"):
        build_encoder(HuggingFaceConfig(model=str(tmp_path)))
    (tmp_path / "config.json").write_text('{"model_type": "wavln"}')
    with pytest.raises(ConfigError, match=r"Did you mean 'wavlm'.*hubert"):
        build_encoder(HuggingFaceConfig(model=str(tmp_path)))
    ast = (audio_model("ast") / "config.json").read_text()
    (tmp_path / "config.json").write_text(ast)
    (tmp_path / "model.safetensors").write_bytes(
        (audio_model("hubert") / "model.safetensors").read_bytes()
    )
    with pytest.raises(ConfigError, match=r"lacks .* weights of a ASTModel"):
        build_encoder(HuggingFaceConfig(model=str(tmp_path)))
