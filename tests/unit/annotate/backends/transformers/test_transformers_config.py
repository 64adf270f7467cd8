"""What is wrong with a set-up is said; the fingerprint tells models apart."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from earmark.annotate.backends.base import Prompt
from earmark.annotate.backends.transformers import TransformersConfig
from earmark.config import ConfigError


def first_answer(config: TransformersConfig) -> None:
    async def ask() -> None:
        async with aclosing(config.build()) as backend:
            await backend.generate(Prompt(id="a", text="A dog barks."))

    asyncio.run(ask())


def digest(folder: Path, **settings: Any) -> str:
    return TransformersConfig(model=str(folder), **settings).build().fingerprint


def test_missing_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"pip install 'earmark\[transformers\]'"):
        TransformersConfig(model="Qwen/Qwen2.5-7B-Instruct").build()


def test_no_such_folder_names_the_nearest(writer: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder") as caught:
        TransformersConfig(model=f"{writer}s").build()
    assert f"Did you mean '{writer}'?" in str(caught.value)


def test_folder_without_a_model(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("none")
    with pytest.raises(ConfigError, match=r"config\.json and \*\.safetensors.*notes\.md"):
        TransformersConfig(model=str(tmp_path)).build()


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")
    with pytest.raises(ConfigError, match="pickles"):
        TransformersConfig(model=str(tmp_path)).build()


def test_cut_weights(writer: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(writer, tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ConfigError, match="cut short"):
        TransformersConfig(model=str(folder)).build()


def test_a_missing_weight_is_not_made_up(writer: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(writer, tmp_path / "lacking")
    weights = load_file(folder / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ConfigError, match=r"1 weights are missing.*model\.norm\.weight"):
        first_answer(TransformersConfig(model=str(folder), device="cpu"))


def test_a_model_of_another_trade(writer: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(writer, tmp_path / "other")
    (folder / "config.json").write_text(json.dumps({"model_type": "vit"}))
    with pytest.raises(ConfigError, match="'vit' model"):
        first_answer(TransformersConfig(model=str(folder), device="cpu"))


def test_a_name_that_the_hub_does_not_give(writer: Path) -> None:
    with pytest.raises(ConfigError, match="'earmark/nowhere' could not be loaded"):
        first_answer(TransformersConfig(model="earmark/nowhere", device="cpu"))


def test_no_such_device(writer: Path) -> None:
    with pytest.raises(ConfigError, match="device = 'toaster'"):
        first_answer(TransformersConfig(model=str(writer), device="toaster"))


@pytest.mark.parametrize(
    "change",
    [
        {"revision": "2"},
        {"instruction": "{caption}"},
        {"system": "Be brief."},
        {"temperature": 0.1},
        {"top_p": 0.5},
        {"top_k": 5},
        {"max_tokens": 7},
        {"seed": 1},
        {"max_audio_s": 5.0},
        {"dtype": "bfloat16"},
        {"batch_size": 2},
    ],
)
def test_fingerprint_covers(writer: Path, change: dict[str, Any]) -> None:
    assert digest(writer, **change) != digest(writer)


def test_fingerprint_leaves_out_where_and_how_many(writer: Path, tmp_path: Path) -> None:
    assert digest(writer, batch_size=2) == digest(writer, batch_size=8)
    assert digest(writer, device="cuda:1") == digest(writer)
    assert digest(shutil.copytree(writer, tmp_path / "copy")) == digest(writer)


@pytest.mark.parametrize("name", ["model.safetensors", "chat_template.jinja", "config.json"])
def test_fingerprint_covers_the_folder(writer: Path, tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(writer, tmp_path / "copy")
    content = bytearray((folder / name).read_bytes())
    content[-1] ^= 1
    (folder / name).write_bytes(content)
    assert digest(folder) != digest(writer)


def test_nothing_heavy_is_imported_before_the_first_prompt(writer: Path) -> None:
    lines = (
        "import sys",
        "from earmark.annotate.backends.transformers import TransformersConfig",
        f"TransformersConfig(model={str(writer)!r}).build()",
        "assert not {'torch', 'transformers'} & set(sys.modules)",
    )
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)


def test_pictures_are_not_shown() -> None:
    pytest.importorskip("transformers")
    from earmark.annotate.backends.transformers.load import VisualPlaceholder

    with pytest.raises(TypeError, match="listen"):
        VisualPlaceholder()("picture")
