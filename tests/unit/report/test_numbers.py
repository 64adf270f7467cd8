import pytest

from earmark.report import formatting


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (240, "4 min"), (7200, "2.0 h")],
)
def test_durations_take_the_fitting_unit(seconds: float, text: str):
    assert formatting.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(950, "950"), (9_999, "9,999"), (52_000, "52 k"), (4_950_000, "4.95 M"), (65.9e6, "65.9 M")],
)
def test_large_numbers_keep_three_digits(value: int, text: str):
    assert formatting.format_large(int(value)) == text


def test_shares_keep_a_digit_where_it_matters():
    shares = [formatting.format_percent(share) for share in (0, 0.0123, 0.5, 0.99996, 1)]
    assert shares == ["0 %", "1.2 %", "50 %", "99.9 %", "100 %"]


def test_a_difference_shows_its_sign_and_nan_is_a_dash():
    assert formatting.format_gain(0.25) == "+0.250"
    assert formatting.format_gain(-0.25) == "−0.250"
    assert formatting.format_gain(float("nan")) == formatting.format_score(float("nan")) == "–"
