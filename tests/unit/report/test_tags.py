import numpy as np
import pytest

from earmark.records import Example, TagSet
from earmark.report import write_report
from earmark.report.tags import cover, telling_tags


def example(*tags: str, domain: str | None = None) -> Example:
    ids = {"dog": 0, "rain": 1, "loud": 2}
    return Example(
        id="x",
        path="x.wav",
        name="x.wav",
        duration_s=1.0,
        split="train",
        recording=None,
        speaker=None,
        tags=tags,
        tag_ids=tuple(ids[tag] for tag in tags),
        caption="",
        summary="",
        labels={"domain": (domain,)} if domain else {},
    )


def test_coverage_grows_with_the_vocabulary():
    examples = [example("dog", "rain"), example("rain", "loud"), example("loud")]
    written = [("dog", "rain"), ("rain", "loud"), ("loud", "odd"), ("odd",)]
    tag_sets = [TagSet(id="x", tags=tags, backend="test") for tags in written]
    found = cover(examples, tag_sets, size=3)
    # Of four tagged clips one has "dog", one more "rain", one more "loud"; "odd" is not chosen.
    np.testing.assert_allclose(found.clips, [1 / 4, 2 / 4, 3 / 4])
    np.testing.assert_allclose(found.uses, [1 / 7, 3 / 7, 5 / 7])
    assert found.tags_a_clip == pytest.approx(5 / 3)


def test_telling_tags_are_frequent_here_and_rare_elsewhere():
    examples = [example("dog", "loud", domain="animals") for _ in range(4)]
    examples += [example("rain", "loud", domain="weather") for _ in range(6)]
    animals, weather = telling_tags(examples)
    assert (animals.name, animals.clips, weather.clips) == ("animals", 4, 6)
    # "loud" is everywhere: it tells nothing.
    assert [(tag.tag, tag.inside, tag.outside) for tag in animals.tags] == [("dog", 1.0, 0.0)]
    assert [tag.tag for tag in weather.tags] == ["rain"]


def test_a_tag_of_two_clips_tells_nothing():
    examples = [example("dog", domain="animals")] * 2 + [example("rain", domain="weather")] * 3
    animals, weather = telling_tags(examples)
    assert animals.tags == ()
    assert [tag.tag for tag in weather.tags] == ["rain"]


def test_without_true_domains_there_are_no_domains():
    assert telling_tags([example("dog")]) == ()


def test_the_page_says_how_well_answers_could_be_read(whole):
    page = write_report(whole).read_text("utf-8")
    assert "answers could be read as tags, after repairs: 7 fence" in page
