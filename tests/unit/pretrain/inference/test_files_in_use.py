"""The verbs of a trained model, on files of which some cannot be decoded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from earmark.cli import main
from earmark.config import ConfigError
from earmark.pretrain.inference.captioner import load_captioner
from earmark.pretrain.inference.embed import decode_files
from earmark.pretrain.inference.load import load_encoder
from earmark.pretrain.objectives.config import CaptioningConfig, MultitaskConfig, TagsConfig
from earmark.pretrain.text.config import TextModelConfig
from earmark.records import Example

Make = Callable[..., Path]
CAPTIONING = CaptioningConfig(model=TextModelConfig(size="mini", bpe_size=300, max_tokens=24))


@pytest.fixture
def earmark(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return a function that runs a command line here, to its exit code."""

    def run(*arguments: str | Path) -> int:
        monkeypatch.setattr("sys.argv", ["earmark", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return code if isinstance(code, int) else 0

    return run


@pytest.fixture
def files(make_examples: Callable[..., list[Example]], tmp_path: Path) -> list[Path]:
    """Return a good file, a broken one, one that is not there, and another good one."""
    first, second = (Path(clip.path) for clip in make_examples(2, "test"))
    broken = tmp_path / "broken.wav"
    broken.write_text("no audio")
    return [first, broken, tmp_path / "gone.wav", second]


def test_label_goes_on_behind_a_bad_file(
    make_checkpoint: Make,
    files: list[Path],
    earmark: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkpoint = make_checkpoint(TagsConfig())
    assert earmark("label", "-c", checkpoint, "--device", "cpu", *files) == 1
    told = capsys.readouterr()
    assert [row.split("\t")[0] for row in told.out.splitlines()] == [str(files[0]), str(files[3])]
    lines = told.err.splitlines()
    assert lines[0].startswith(f"earmark: {files[1]}: undecodable: ")
    assert lines[1].startswith(f"earmark: {files[2]}: unreadable: ")
    assert lines[2] == "earmark: 2 of 4 files lost: 1 undecodable, 1 unreadable."
    assert earmark("label", "-c", checkpoint, files[0], files[3]) == 0
    assert capsys.readouterr().err == ""
    assert earmark("label", "-c", checkpoint, *files[1:3]) == 2
    assert "none of the files can be decoded" in capsys.readouterr().err


def test_embed_names_its_rows_and_what_it_lost(
    make_checkpoint: Make, files: list[Path], earmark: Callable[..., int], tmp_path: Path
) -> None:
    checkpoint = make_checkpoint(TagsConfig())
    out = tmp_path / "vectors.npy"
    assert earmark("embed", "-c", checkpoint, "--device", "cpu", "-o", out, *files) == 1
    good = [files[0], files[3]]
    np.testing.assert_allclose(np.load(out), load_encoder(checkpoint).embed(good), atol=1e-6)
    names = json.loads((tmp_path / "vectors.json").read_text())
    assert names["files"] == [str(file) for file in good]
    lost = [(row["file"], row["reason"]) for row in names["lost"]]
    assert lost == [(str(files[1]), "undecodable"), (str(files[2]), "unreadable")]
    assert earmark("embed", "-c", checkpoint, "-o", tmp_path / "none.npy", files[1]) == 2
    assert not (tmp_path / "none.npy").exists()


def test_a_device_that_is_not_here_is_named(make_checkpoint: Make) -> None:
    with pytest.raises(ConfigError, match=r"^device = 'cuda:99' cannot be used here"):
        load_encoder(make_checkpoint(TagsConfig()), "cuda:99")


def test_each_file_is_in_one_block(
    files: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    short = tmp_path / "short.wav"
    soundfile.write(short, np.zeros(1, np.float32), 192_000)
    monkeypatch.setattr("earmark.pretrain.inference.embed.BLOCK_S", 0.01)
    blocks = list(decode_files([*files, short], 8000))
    assert [file for block in blocks for file in block.files] == [files[0], files[3]]
    assert [row.file for block in blocks for row in block.lost] == [files[1], files[2], short]
    assert len(blocks) == 3


@pytest.mark.parametrize(
    "config",
    [CAPTIONING, MultitaskConfig(parts=(TagsConfig(), CAPTIONING), weights=(1.0, 1.0))],
    ids=["captioning", "multitask"],
)
def test_describe_prints_what_the_decoder_writes(
    config: CaptioningConfig | MultitaskConfig,
    make_checkpoint: Make,
    files: list[Path],
    earmark: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    checkpoint = make_checkpoint(config)
    _shake(checkpoint / "objective.safetensors")
    describer = load_captioner(checkpoint)
    good = [files[0], files[3]]
    ((places, encoded),) = describer.encoder.encode(good)
    with torch.inference_mode():
        texts = dict(zip(places, describer.objective.write(encoded), strict=True))
    assert any(texts.values())
    assert describer.describe(good) == [texts[0], texts[1]]
    assert describer.describe(good, max_tokens=1) != describer.describe(good)
    assert earmark("describe", "-c", checkpoint, "--device", "cpu", *files) == 1
    rows = capsys.readouterr().out.splitlines()
    expected = [f"{file}\t{' '.join(texts[place].split())}" for place, file in enumerate(good)]
    assert rows == expected


def _shake(weights: Path) -> None:
    """Spread weights: a decoder that has just been built ends its texts at once."""
    chance = torch.Generator().manual_seed(0)
    tensors = load_file(weights)
    shaken = {
        name: tensor + 0.3 * torch.randn(tensor.shape, generator=chance)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in tensors.items()
    }
    save_file(shaken, weights)


def test_what_cannot_describe_says_what_it_can(make_checkpoint: Make) -> None:
    with pytest.raises(ConfigError, match=r"cannot describe: it can embed, label\..*'captioning'"):
        load_captioner(make_checkpoint(TagsConfig()))
