import json
import re

import numpy as np
import pytest

from earmark.records import Example
from earmark.report.render import embed_json
from earmark.report.run import load_run
from earmark.report.tag_explorer import (
    AUDIO_BUDGET_BYTES,
    MAX_CLIPS_PER_TAG,
    build_tag_explorer,
    choose_clips,
    nearest_tags,
    subsample,
)
from earmark.report.vocabulary import read_vocabulary

MANIFEST = ("manifest", "manifest.parquet", Example)


def test_nearness_is_the_cosine_of_the_clips_that_two_tags_have():
    held = [("a", "b"), ("a", "b"), ("a", "c"), ("a", "c"), ("c",), ("c",), ("d", "a")]
    found = nearest_tags(["a", "b", "c", "d"], held)
    # a is in 5 clips, b in 2, c in 4; a and b share 2, a and c share 2; d shares but one.
    assert found[0] == ((1, 0.63), (2, 0.45))
    assert found[1] == ((0, 0.63),)
    assert found[3] == ()


def test_equally_near_tags_stand_in_the_order_of_the_list():
    held = [("x", "y", "z")] * 3
    assert nearest_tags(["z", "y", "x"], held)[0] == ((1, 1.0), (2, 1.0))
    assert nearest_tags(["x", "y"], []) == ((), ())


def test_a_tag_twice_in_a_clip_counts_once():
    assert nearest_tags(["a", "b"], [("a", "a", "b"), ("b", "a")])[0] == ((1, 1.0),)


def test_every_n_th_clip_is_counted_where_there_are_too_many():
    held = [(str(place),) for place in range(10)]
    assert subsample(held, 10) == held
    assert subsample(held, 9) == held[::2]
    assert subsample(held, 3) == held[::4]
    assert subsample([], 3) == []


def test_nearness_of_many_clips_is_that_of_counting_pairs():
    rng = np.random.default_rng(0)
    tags = [f"tag {place}" for place in range(60)]
    held = [tuple(tags[t] for t in rng.integers(0, 70, 8) if t < 60) for _ in range(3000)]
    found = nearest_tags(tags, held)
    sets = [{place for place, own in enumerate(held) if tag in own} for tag in tags]
    for one, near in enumerate(found):
        assert len(near) == 8
        for other, cosine in near:
            shared = len(sets[one] & sets[other])
            assert cosine == round(shared / (len(sets[one]) * len(sets[other])) ** 0.5, 2)


def test_the_explorer_says_over_how_many_clips_it_counted(whole):
    found = load_run(whole)
    explored = build_tag_explorer(found, ["recording"])
    assert explored.counted == explored.of == len(found.rows(*MANIFEST))


def test_clips_are_chosen_for_tags_that_none_is_heard_of():
    tags_of = {"1": ("a",), "2": ("a", "b"), "3": ("c", "d", "b")}
    assert choose_clips(tags_of, {}, 2) == ["3", "2"]
    assert choose_clips(tags_of, dict.fromkeys("abcd", MAX_CLIPS_PER_TAG), 2) == []
    assert choose_clips(tags_of, {}, 9) == choose_clips(dict(reversed(tags_of.items())), {}, 9)


def test_the_explorer_leads_to_clips_that_have_the_tag(whole):
    found = load_run(whole)
    tags = read_vocabulary(found)
    assert tags
    names = [row.entry.tag for row in tags.listed]
    explored = build_tag_explorer(found, names)
    held = {row.name: row.tags for row in found.rows("manifest", "manifest.parquet", Example)}
    assert all(explored.heard)
    for tag, clips in zip(names, explored.heard, strict=True):
        assert len(clips) <= MAX_CLIPS_PER_TAG
        assert all(tag in held[explored.clips[clip].name] for clip in clips)
    assert sum(len(clip.sound) for clip in explored.clips) <= AUDIO_BUDGET_BYTES
    assert all(bool(clip.card) != bool(clip.sound) for clip in explored.clips)


def test_without_a_manifest_no_tag_is_near_another(build, tmp_path):
    explored = build_tag_explorer(
        load_run(build(tmp_path / "workspace", "vocabulary", clips=12)), ["a", "b"]
    )
    assert explored.near == ((), ())
    assert explored.heard == ((), ())


@pytest.mark.parametrize("text", ["</script><b>", "<!--", "a & b", "line\u2028end"])
def test_embedded_data_cannot_leave_its_element(text):
    written = str(embed_json([text]))
    assert not re.search("[<>&\u2028]", written)
    assert json.loads(written) == [text]
