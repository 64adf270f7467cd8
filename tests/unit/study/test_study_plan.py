from pathlib import Path

import pytest

from earmark.config import ConfigError, decode_config
from earmark.recipe import load_recipe, shipped_names
from earmark.study.config import StudyConfig, load_study
from earmark.study.plan import plan_study
from earmark.study.results import Design

BUDGET = ("pretrain.audio_s=600",)
AXES = {
    "objective": {"tags": (), "contrastive": ("objective.kind=contrastive",)},
    "K": {"800": (), "100": ("vocabulary.size=100",)},
}


def study(**changes: object) -> StudyConfig:
    return StudyConfig(**{"recipe": "demo", "set": BUDGET, "axes": AXES, **changes})  # type: ignore[arg-type]


def test_a_star_varies_one_axis_at_a_time() -> None:
    plan = plan_study("s", study())
    assert list(plan.design.arms) == ["tags, 800", "contrastive, 800", "tags, 100"]
    assert plan.design.base == "tags, 800"
    assert plan.design.blocks("K") == [
        ({"objective": "tags"}, {"800": "tags, 800", "100": "tags, 100"})
    ]


def test_a_grid_has_every_combination() -> None:
    design = plan_study("s", study(design="grid")).design
    assert len(design.arms) == 4
    assert [others for others, _ in design.blocks("objective")] == [{"K": "800"}, {"K": "100"}]


def test_two_arms_of_one_name_are_refused() -> None:
    axes = {"a": {"x": (), "x, y": ("seed=1",)}, "b": {"z": (), "y, z": ("seed=2",)}}
    with pytest.raises(ConfigError, match="comma"):
        plan_study("s", study(axes=axes, design="grid"))


def test_a_base_recipe_that_is_not_there_is_looked_for_in_one_place(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('recipe = "gone.toml"\n[axes.K]\n1 = []\n2 = []\n')
    with pytest.raises(ConfigError, match=f"beside the study .{tmp_path / 'gone.toml'}"):
        load_study(str(tmp_path / "mine.toml"), [])


def test_every_seed_is_one_of_training_alone() -> None:
    runs = plan_study("s", study(seeds=(3, 5))).runs
    assert [(run.arm, run.seed) for run in runs[:4]] == [
        ("tags, 800", 3),
        ("contrastive, 800", 3),
        ("tags, 100", 3),
        ("tags, 800", 5),
    ]
    assert [run.recipe.seed for run in runs] == [0] * 6
    assert [run.recipe.training_seed for run in runs] == [3, 3, 3, 5, 5, 5]
    assert runs[2].recipe.vocabulary.size == 100


def test_an_arm_that_cannot_be_is_told_by_its_name() -> None:
    axes = {"K": {"all": (), "few": ("vocabulary.sizze=100",)}}
    with pytest.raises(ConfigError, match=r"arm 'few'.*sizze.*Did you mean 'size'"):
        plan_study("s", study(axes=axes))


def test_steps_are_no_budget() -> None:
    with pytest.raises(ConfigError, match="audio_s"):
        plan_study("s", study(set=()))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"axes": {}}, "axes is empty"),
        ({"axes": {"K": {"all": ()}}}, "two or more"),
        ({"seeds": (1, 1)}, "seeds has 1 2 times"),
    ],
)
def test_a_study_of_nothing_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        study(**changes)


def test_unknown_keys_are_told() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'seeds'"):
        decode_config({"recipe": "demo", "seed": [1], "axes": {}}, StudyConfig)


@pytest.mark.parametrize("name", shipped_names(studies=True))
def test_shipped_studies_can_be_planned(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARMARK_PACK", "/pack")
    read, config = load_study(name, [])
    assert read == name
    plan = plan_study(name, config)
    assert len(plan.design.arms) >= 2
    assert plan.design.question


def test_a_study_s_recipe_may_lie_beside_it(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text('[corpus]\nkind = "synthetic"\nclips = 7\n')
    (tmp_path / "mine.toml").write_text(
        'recipe = "base.toml"\nset = ["pretrain.audio_s=9"]\n[axes.K]\n10 = []\n'
        '20 = ["vocabulary.size=20"]\n'
    )
    name, config = load_study(str(tmp_path / "mine.toml"), ["seeds=[4]"])
    plan = plan_study(name, config)
    assert name == "mine"
    assert [run.recipe.corpus.clips for run in plan.runs] == [7, 7]  # pyright: ignore


def test_studies_and_recipes_are_told_apart() -> None:
    with pytest.raises(ConfigError, match="earmark study study-mini"):
        load_recipe("study-mini")
    with pytest.raises(ConfigError, match="no study"):
        load_study(str(Path(__file__).parents[3] / "recipes" / "demo.toml"), [])


def test_design_survives_storage() -> None:
    import msgspec

    design = plan_study("s", study()).design
    assert msgspec.json.decode(msgspec.json.encode(design), type=Design) == design
