import warnings

import numpy as np
import pytest

from earmark.study.aggregate import SeedScore, mean_over_seeds, paired_difference


def measured(value: float, resampled: np.ndarray) -> SeedScore:
    return SeedScore(value, resampled)


def test_one_seed_has_no_interval_over_seeds() -> None:
    found = mean_over_seeds([measured(0.5, np.array([0.4, 0.6]))])
    assert found.mean == 0.5
    assert np.isnan([found.low, found.high]).all()


def test_no_seed_has_no_mean() -> None:
    assert np.isnan(mean_over_seeds([]).mean)


def test_without_chance_of_clips_it_is_student_s_interval() -> None:
    still = np.zeros(10)
    found = mean_over_seeds([measured(value, still + value) for value in (0.1, 0.2, 0.6)])
    reach = 4.302652729749464 * np.std([0.1, 0.2, 0.6], ddof=1) / np.sqrt(3)
    assert (found.low, found.high) == pytest.approx((0.3 - reach, 0.3 + reach))


def test_without_chance_of_seeds_it_is_the_normal_interval_of_the_clips() -> None:
    resampled = np.random.default_rng(0).normal(0.5, 0.02, 1000)
    found = mean_over_seeds([measured(0.5, resampled)] * 3)
    reach = 1.959963984540054 * resampled.std(ddof=1)
    assert (found.low, found.high) == pytest.approx((0.5 - reach, 0.5 + reach))


def test_resamples_without_a_value_under_some_seed_do_not_count() -> None:
    one, other = np.array([0.4, 0.6, np.nan, 0.5]), np.array([0.4, 0.6, 0.5, np.nan])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = mean_over_seeds([measured(0.5, one), measured(0.5, other)])
        none = mean_over_seeds([measured(0.5, one), measured(0.5, np.full(4, np.nan))])
    reach = 1.959963984540054 * np.std([0.4, 0.6], ddof=1)
    assert (found.low, found.high) == pytest.approx((0.5 - reach, 0.5 + reach))
    assert np.isnan([none.low, none.high]).all()


def test_what_both_arms_share_is_not_in_their_difference() -> None:
    rng = np.random.default_rng(1)
    seeds, clips = rng.normal(0, 0.1, 3), rng.normal(0, 0.1, 500)
    ours = [measured(0.6 + seed, 0.6 + seed + clips) for seed in seeds]
    theirs = [measured(0.5 + seed, 0.5 + seed + clips) for seed in seeds]
    found = paired_difference(ours, theirs)
    assert (found.mean, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))
    assert mean_over_seeds(ours).high - mean_over_seeds(ours).low > 0.2


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("ratio", [0.3, 1.0, 3.0])
def test_intervals_hold_the_truth_as_often_as_they_say(seeds: int, ratio: float) -> None:
    """`ratio` is the chance of the seeds to that of the clips, in standard errors of the mean."""
    rng = np.random.default_rng(seeds)
    resampled = np.random.default_rng(5).normal(0, 0.03, 300)
    of_seeds = ratio * 0.03 * np.sqrt(seeds)
    held = 0
    for _ in range(600):
        values = rng.normal(0, 0.03) + rng.normal(0, of_seeds, seeds)
        found = mean_over_seeds([measured(value, value + resampled) for value in values])
        held += found.low <= 0.0 <= found.high
    assert 0.925 <= held / 600 < 1.0
