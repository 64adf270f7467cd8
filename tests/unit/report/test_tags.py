import msgspec
import pytest

from earmark.annotate.audit.results import MAX_MAP_TAGS
from earmark.annotate.vocabulary import Vocabulary, VocabularyEntry
from earmark.annotate.vocabulary.stats import STATS_FILE, CurvePoint, VocabularyStats
from earmark.io import write_text
from earmark.report import write_report
from earmark.report.run import load_run
from earmark.report.vocabulary import (
    MAX_ALIASES,
    domain_shares,
    list_tag,
    nearest_point,
    read_vocabulary,
    table_points,
)


def point(size: int) -> CurvePoint:
    return CurvePoint(size=size, positives=9, clips=0.5, uses=0.25, tags_a_clip=2.0)


@pytest.fixture(scope="module")
def facts(whole) -> VocabularyStats:
    tags = read_vocabulary(load_run(whole))
    assert tags
    assert tags.facts
    return tags.facts


def test_a_point_stands_for_sizes_that_it_is_near_to():
    curve = [point(size) for size in (10, 100, 960, 3100)]
    assert nearest_point(curve, 1000) == point(960)
    assert nearest_point(curve, 3000) == point(3100)
    assert nearest_point(curve, 300) is None
    assert nearest_point([], 300) is None


def test_the_table_has_each_point_once_and_ends_where_the_curve_ends():
    curve = [point(size) for size in (1, 10, 100, 840, 5000)]
    assert [p.size for p in table_points(curve, 840)] == [10, 100, 840, 5000]
    assert table_points([], 840) == ()


def test_shares_of_domains_are_of_captions_of_tags_and_of_uses(facts):
    changed = msgspec.structs.replace(
        facts,
        captions=10,
        captions_by_domain={"speech": 4, "music": 5, "sound": 3},
        tags_by_domain={"music": 1, "sound": 3},
        uses_by_domain={"music": 6, "sound": 2},
    )
    speech, music, sound = domain_shares(changed)
    assert (speech.name, speech.captions, speech.tags, speech.uses) == ("speech", 0.4, 0, 0)
    assert (music.captions, music.tags, music.uses) == (0.5, 0.25, 0.75)
    assert (sound.captions, sound.tags, sound.uses) == (0.3, 0.75, 0.25)


def test_the_most_frequent_variants_of_a_tag_are_listed_and_the_others_counted():
    aliases = {f"form {n}": n for n in range(1, MAX_ALIASES + 3)}
    listed = list_tag(VocabularyEntry(rank=1, tag="tag", df=20, score=1.0, aliases=aliases))
    assert listed.aliases[:2] == (f"form {MAX_ALIASES + 2}", f"form {MAX_ALIASES + 1}")
    assert len(listed.aliases) == MAX_ALIASES
    assert listed.more == 2


def test_the_page_tells_how_the_vocabulary_came_to_be(page, facts):
    assert facts.chosen in page
    assert "high_fidelity" in page
    assert "&lt;u&gt;lo fi&lt;/u&gt;" in page
    assert "<b>30</b> banned" in page
    assert "1 of people's decisions is no longer borne out by the corpus." in page
    assert "keep &#34;theremin&#34;: no caption holds it any more." in page
    assert "answers could be read as tags, after repairs: 7 fence" in page


def test_every_tag_is_listed_with_its_variants(page, whole):
    vocabulary = Vocabulary.load(whole.latest_run()[1]["vocabulary"].file("vocabulary.json"))
    rows = page.partition('<tbody id="tag-rows">')[2].partition("</tbody>")[0]
    assert rows.count("<tr>") == len(vocabulary)
    assert all(alias in rows for entry in vocabulary.entries for alias in entry.aliases)


def test_the_rows_of_all_captions_are_not_read_again(build, tmp_path):
    workspace = build(tmp_path / "workspace", "vocabulary", clips=12)
    write_text(workspace.latest_run()[1]["tag"].file("tags.parquet"), "nobody reads this")
    tags = read_vocabulary(load_run(workspace))
    assert tags
    assert tags.facts
    assert tags.facts.written


def test_without_facts_the_lock_file_is_shown(build, tmp_path):
    workspace = build(tmp_path / "workspace", "vocabulary", clips=12)
    workspace.latest_run()[1]["vocabulary"].file(STATS_FILE).unlink()
    page = write_report(workspace).read_text("utf-8")
    assert "How they were chosen is not recorded in this run" in page
    assert 'aria-label="Captions with a tag, by the rank of the tag"' in page
    assert "What folding changed" not in page
    assert '<tbody id="tag-rows">' in page


def test_a_list_of_labels_that_counts_nothing_is_shown_as_one(build, tmp_path):
    workspace = build(tmp_path / "workspace", "vocabulary", clips=12)
    stage = workspace.latest_run()[1]["vocabulary"]
    stage.file(STATS_FILE).unlink()
    Vocabulary.from_labels(["dog", "rain"]).save(stage.file("vocabulary.json"))
    page = write_report(workspace).read_text("utf-8")
    assert "2 tags, taken over from a list of labels" in page
    assert "by the rank of the tag" not in page


def test_a_vocabulary_that_was_not_grown_has_no_curve(build, tmp_path):
    workspace = build(tmp_path / "workspace", "vocabulary", clips=12)
    folder = workspace.latest_run()[1]["vocabulary"].folder
    bare = msgspec.structs.replace(
        VocabularyStats.load(folder),
        curve=(),
        changes=(),
        dropped={},
        unread={},
        unsupported=(),
        folded=(),
    )
    assert "17</b> tags are not a list" in write_report(workspace).read_text("utf-8")
    bare.save(folder)
    page = write_report(workspace).read_text("utf-8")
    assert "no step was on, or the vocabulary was taken over as it is" in page
    assert "What was dropped" not in page
    assert "were not counted" not in page
    assert "by the size of the vocabulary" not in page
    assert "no longer borne out" not in page


@pytest.mark.slow
def test_a_large_vocabulary_stays_a_light_page(build, tmp_path, invented):
    workspace = build(tmp_path / "workspace", "audit", clips=12)
    _, stages = workspace.latest_run()
    frequencies = invented.long_tail(3000, 72000)
    invented.write_vocabulary(frequencies, 72000, 3000, stages["vocabulary"].folder)
    invented.write_audit(frequencies, stages["audit"].folder, classes=527)
    page = write_report(workspace).read_text("utf-8")
    assert page.partition('<tbody id="tag-rows">')[2].count("<tr>") >= len(frequencies)
    assert len(page) < 1_200_000
    (drawn,) = [part for part in page.split("<svg ") if part.startswith('class="plot map"')]
    assert len(drawn.partition("</svg>")[0]) < 300_000
    assert drawn.count("<use ") == MAX_MAP_TAGS + 527
    left_out = f"{len(frequencies) - MAX_MAP_TAGS:,}"
    assert f"tags, {left_out} less frequent ones are left out." in page
