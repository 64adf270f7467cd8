from earmark.records import Example
from earmark.report.vocabulary import distinctive_tags
from factories import new_example


def example(*tags: str, domain: str | None = None) -> Example:
    ids = {"dog": 0, "rain": 1, "loud": 2}
    return new_example(
        id="x",
        path="x.wav",
        name="x.wav",
        tags=tags,
        tag_ids=tuple(ids[tag] for tag in tags),
        labels={"domain": (domain,)} if domain else {},
    )


def test_telling_tags_are_frequent_here_and_rare_elsewhere():
    examples = [example("dog", "loud", domain="animals") for _ in range(4)]
    examples += [example("rain", "loud", domain="weather") for _ in range(6)]
    animals, weather = distinctive_tags(examples)
    assert (animals.name, animals.clips, weather.clips) == ("animals", 4, 6)
    # "loud" is everywhere: it tells nothing.
    assert [(tag.tag, tag.inside, tag.outside) for tag in animals.tags] == [("dog", 1.0, 0.0)]
    assert [tag.tag for tag in weather.tags] == ["rain"]


def test_a_tag_of_two_clips_tells_nothing():
    examples = [example("dog", domain="animals")] * 2 + [example("rain", domain="weather")] * 3
    animals, weather = distinctive_tags(examples)
    assert animals.tags == ()
    assert [tag.tag for tag in weather.tags] == ["rain"]


def test_without_true_domains_there_are_no_domains():
    assert distinctive_tags([example("dog")]) == ()
