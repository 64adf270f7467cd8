import msgspec

from earmark.io import write_text
from earmark.records import Rejected
from earmark.report import write_report
from earmark.report.funnel import FunnelStage, check_counts, read_funnel
from earmark.report.run import load_run


def lost(reason: str) -> Rejected:
    return Rejected(id="a", stage="scan", reason=reason)


def test_counts_that_add_up_have_no_fault():
    counts = {"in": 5, "out": 3, "scan: empty": 2}
    assert check_counts("scan", counts, [lost("empty"), lost("empty")], {5}) == ()


def test_a_row_without_a_reason_is_a_fault():
    (fault,) = check_counts("scan", {"in": 5, "out": 3, "scan: empty": 1}, [lost("empty")], {5})
    assert fault == "scan: 5 rows went in, but 4 are accounted for (1 lost)."


def test_a_row_that_came_out_twice_is_a_fault():
    (fault,) = check_counts("scan", {"in": 5, "out": 6}, [], {5})
    assert "1 too many" in fault


def test_a_rejection_without_its_row_is_a_fault():
    (fault,) = check_counts("scan", {"in": 5, "out": 3, "scan: empty": 2}, [lost("empty")], {5})
    assert "rejected.parquet holds 1" in fault


def test_rows_lost_between_stages_are_a_fault():
    (fault,) = check_counts("tag", {"in": 4, "out": 4}, [], {5, 6})
    assert "no stage before" in fault


def test_files_that_were_cut_are_counted_beside_their_windows():
    counts = {"in": 9, "files": 5, "out": 8, "scan: silent": 1}
    assert check_counts("scan", counts, [lost("silent")], {5}) == ()
    (fault,) = check_counts("scan", counts, [lost("silent")], {9})
    assert fault == "scan: 5 rows went in, but no stage before passed on that many."


def test_a_stage_that_keeps_no_rejected_rows_is_not_asked_for_them():
    assert (
        check_counts("vocabulary", {"in": 9, "out": 4, "vocabulary: too rare": 5}, None, set())
        == ()
    )


def test_the_funnel_of_a_run(whole):
    funnel = read_funnel(load_run(whole))
    assert funnel.faults == ()
    assert [step.name for step in funnel.steps] == [
        "corpus",
        "scan",
        "caption-raw",
        "caption",
        "tag-raw",
        "tag",
        "vocabulary",
        "manifest",
        "pretrain",
    ]
    scan = funnel.steps[1]
    assert (scan.received, scan.passed, scan.lost) == (95, 90, 5)
    assert scan.reasons[0] == ("scan: duplicate", 3)
    assert [(name, clips) for name, clips, _ in funnel.splits] == [
        ("train", 64),
        ("validation", 12),
        ("test", 12),
    ]


def test_the_page_says_when_counts_do_not_add_up(build, tmp_path):
    workspace = build(tmp_path / "workspace", "scan", clips=3)
    assert "The counts add up." in write_report(workspace).read_text("utf-8")
    path = workspace.latest_run()[1]["scan"].file("provenance.json")
    provenance = msgspec.json.decode(path.read_bytes())
    provenance["counts"]["out"] -= 1
    write_text(path, msgspec.json.encode(provenance).decode())
    page = write_report(workspace).read_text("utf-8")
    assert "The counts do not add up." in page
    assert "scan: 8 rows went in, but 7 are accounted for (1 lost)." in page


def test_of_many_rejected_rows_the_first_are_shown():
    step = FunnelStage("scan", "clips", 60, 0, (("scan: empty", 60),), (lost("empty"),) * 60, ())
    assert len(step.shown) == 50
    assert step.lost == 60
