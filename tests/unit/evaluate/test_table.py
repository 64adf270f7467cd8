from __future__ import annotations

import msgspec

from earmark.evaluate.base import Comparison
from earmark.evaluate.format import score_table
from earmark.records import Score

NAN = float("nan")


def score(encoder: str, value: float, status: str = "ok") -> Score:
    return Score(
        task="kind",
        encoder=encoder,
        metric="accuracy",
        value=value,
        low=value - 0.1,
        high=value + 0.1,
        chance=0.25,
        train=30,
        test=10,
        classes=4,
        seed=0,
        status=status,
    )


def comparison(low: float, high: float) -> Comparison:
    difference = (low + high) / 2
    return Comparison(
        task="kind",
        metric="accuracy",
        better="trained",
        than="random",
        difference=difference,
        low=low,
        high=high,
    )


def test_a_clear_difference_is_bold() -> None:
    scores = [score("trained", 0.8), score("random", 0.5)]
    *_, clear = score_table(scores, [comparison(0.1, 0.5)]).splitlines()
    *_, unclear = score_table(scores, [comparison(-0.1, 0.5)]).splitlines()
    assert clear == (
        "| kind | accuracy | 4 | 30/10 | 0.250 | 0.800 [0.700, 0.900] | 0.500 [0.400, 0.600] "
        "| **+0.300 [+0.100, +0.500]** |"
    )
    assert "**" not in unclear


def test_without_an_interval_nothing_is_clear() -> None:
    alone = msgspec.structs.replace(score("trained", 0.8), low=NAN, high=NAN)
    pair = msgspec.structs.replace(comparison(0.1, 0.5), low=NAN, high=NAN)
    *_, line = score_table([alone, score("random", 0.5)], [pair]).splitlines()
    assert "| 0.800 (no interval) | 0.500 [0.400, 0.600] | +0.300 (no interval) |" in line
    assert "nan" not in line
    assert "**" not in line


def test_what_has_no_value_says_why() -> None:
    table = score_table([score("trained", NAN, "too few classes in train")], [])
    assert "| too few classes in train |" in table
    assert "nan" not in table.splitlines()[-1].split("|")[6]


def test_a_line_for_each_way_to_ask() -> None:
    few = msgspec.structs.replace(score("trained", 0.4), shots=5)
    near = msgspec.structs.replace(score("trained", 0.6), probe="knn")
    *_, first, second, third = score_table([score("trained", 0.8), few, near], []).splitlines()
    assert [line.split(" | ")[0] for line in (first, second, third)] == [
        "| kind",
        "| kind, 5 a class",
        "| kind, knn",
    ]
    assert "0.400" in second
