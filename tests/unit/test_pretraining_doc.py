"""What docs/pretraining.md shows is a recipe, and what it says of defaults is so."""

import re
from pathlib import Path

import pytest

from earmark.config import decode_config, load_toml
from earmark.pretrain.config import AdamWConfig, PretrainConfig
from earmark.pretrain.objectives.config import (
    CaptioningConfig,
    ContrastiveConfig,
    TagsParallelConfig,
)
from earmark.pretrain.text.config import TextModelConfig
from earmark.recipe import Recipe

PAGE = (Path(__file__).parents[2] / "docs" / "pretraining.md").read_text("utf-8")
SNIPPETS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("place", range(len(SNIPPETS)))
def test_each_snippet_is_part_of_a_recipe(place: int, tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[corpus]\nkind = "synthetic"\n\n' + SNIPPETS[place])
    decode_config(load_toml(path, []), Recipe)


def test_every_objective_has_its_snippet() -> None:
    kinds = {"tags", "tags-parallel", "contrastive", "captioning", "multitask"}
    assert kinds == {
        found[1] for text in SNIPPETS if (found := re.search(r'\[objective\]\nkind = "(.*)"', text))
    }


def test_the_settings_of_the_loop_exist() -> None:
    section = PAGE.partition("## The loop")[2].partition("### What a run leaves")[0]
    named = set(re.findall(r"^- `(\w+)", section, re.MULTILINE))
    assert len(named) >= 4
    assert named <= set(PretrainConfig.__struct_fields__)


def test_the_defaults_are_as_told() -> None:
    assert isinstance(PretrainConfig().optimizer, AdamWConfig)
    assert TextModelConfig().max_tokens == 256
    assert TagsParallelConfig().model.max_tokens == 64
    assert (TagsParallelConfig().queries, CaptioningConfig().queries) == ("fixed", "target")
    assert ContrastiveConfig().dim == 1024
    assert CaptioningConfig().parallel == 0.75
