from earmark.evaluate.base import Comparison
from earmark.report.run import load_run
from earmark.report.scores import ProbeScores, judge_probes, read_probe_scores
from earmark.report.summary import run_headline


def probe(
    task: str, low: float, high: float, status: str = "ok", than: str = "random"
) -> ProbeScores:
    difference = (low + high) / 2
    row = Comparison(
        task=task,
        better="trained",
        than=than,
        difference=difference,
        low=low,
        high=high,
        status=status,
    )
    return ProbeScores(task, (), (row,))


def test_only_an_interval_without_zero_decides():
    rows = [probe("a", 0.01, 0.2), probe("b", -0.1, 0.2), probe("c", -0.2, -0.1)]
    verdict = judge_probes(rows, "random")
    assert (verdict.wins, verdict.undecided, verdict.losses) == (("a",), ("b",), ("c",))
    assert verdict.probes == 3


def test_a_comparison_without_a_value_does_not_count():
    nan = float("nan")
    rows = [probe("a", 0.1, 0.2), probe("b", nan, nan, status="too few clips")]
    assert judge_probes(rows, "random").probes == 1
    assert judge_probes(rows, "log-mel").probes == 0


def test_the_headline_counts_wins_and_hides_no_loss(whole):
    found = load_run(whole)
    headline = run_headline(found, None, None, read_probe_scores(found))
    assert headline.title == "Trained beats random weights on 4 of 4 probes"
    assert headline.lede[0] == (
        "Against pooled log-mel statistics: 2 won, 1 undecided, 1 lost (voice)."
    )


def test_without_a_comparison_nothing_is_claimed(whole):
    rows = [probe("a", float("nan"), float("nan"), status="too few clips")]
    assert "No probe" in run_headline(load_run(whole), None, None, rows).title


def test_scores_stand_in_order_and_missing_ones_apart(whole):
    *measured, missing = read_probe_scores(load_run(whole))
    for row in measured:
        assert [score.encoder for score in row.scores] == ["trained", "random", "log-mel"]
        assert row.missing == ()
    assert missing.measured == ()
    assert missing.missing[0].status.startswith("too few clips")
