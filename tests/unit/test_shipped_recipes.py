"""Every recipe that comes with the package can be read, and says what its name promises."""

import pytest

from earmark.pretrain.config import ScaledAdamConfig, SpecAugmentConfig
from earmark.pretrain.encoders.config import ZipformerConfig
from earmark.recipe import load_recipe, shipped_names


@pytest.fixture(autouse=True)
def pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_PACK", "/pack")


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_recipe_loads(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.pretrain.batch_s >= recipe.pretrain.max_clip_s
    for kind in ("tags-parallel", "contrastive", "captioning", "multitask"):
        assert load_recipe(name, [f"objective.kind={kind}"]).encoder == recipe.encoder


def test_the_paper_s_recipe_has_the_paper_s_settings() -> None:
    recipe = load_recipe("uts-zipformer-m")
    assert recipe.encoder == ZipformerConfig(size="M")
    assert recipe.pretrain.optimizer == ScaledAdamConfig(lr=0.045)
    assert (recipe.pretrain.steps, recipe.pretrain.batch_s) == (400_000, 640.0)
    paper = SpecAugmentConfig(
        probability=0.9,
        time_warp=80,
        time_masks=10,
        time_width=100,
        time_share=0.15,
        mel_masks=2,
        mel_width=27,
    )
    assert recipe.pretrain.spec_augment == paper


def test_the_baselines_are_one_switch_away() -> None:
    labels = load_recipe("pack", ["objective.label=label"])
    assert labels.objective.label == "label"  # pyright: ignore[reportAttributeAccessIssue]
    words = load_recipe("pack", ["objective.kind=captioning", "objective.text=original"])
    assert words.objective.text == "original"  # pyright: ignore[reportAttributeAccessIssue]
