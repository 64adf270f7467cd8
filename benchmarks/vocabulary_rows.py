"""Made-up tag rows with a realistic long tail: any stretch of them, from a seed, in flat memory.

A row is of one domain and one of its topics. Its tags are drawn by Zipf's law, half of them from
the topic's own, now and then one of another domain. One tag in eight is written otherwise: plural,
in capitals, or with another separator, as language models write them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Int32, Int64

from earmark.records import TagSet
from earmark.tables import ROW_GROUP_SIZE, arrow_schema

SEED = 0
CHUNK = 16 * ROW_GROUP_SIZE
"""Rows that are drawn from one generator; a stretch may begin and end within a chunk."""

DOMAIN_SHARES = (0.45, 0.3, 0.25)
CONCEPTS_A_DOMAIN = 10_000
TOPICS_A_DOMAIN = 20
TOPICAL_SHARE, FOREIGN_SHARE = 0.5, 0.12
TAIL_EXPONENT = 1.1
"""The share of the tag of rank r falls as r to the minus this."""

FORM_SHARES = (0.88, 0.06, 0.04, 0.02)
"""How often a concept is written in its first, second, ... form."""

DRAWS, FEWEST_TAGS, MOST_TAGS = 14, 5, 10
UNTAGGED_SHARE = 0.002
BLOCKS, BLOCKS_A_CAPTION, WORDS_A_BLOCK = 100, 5, 78

HEADS = (
    "speech voice male female conversation clear calm english narration reading laughter emotional"
    " interview broadcast child whisper shouting monologue studio lecture",
    "music guitar drum piano melodic rhythmic electronic vocal bass synth upbeat ambient"
    " orchestral rock jazz pop violin choir beat instrumental",
    "ambient-noise dog bird water wind rain engine traffic crowd footstep door bell siren insect"
    " applause impact mechanical outdoor street nature",
)
FILLERS = ("the", "a", "of", "with", "and", "in", "is", "to", "that", "its", "as", "by", "an", "at")
_SYLLABLES = [a + b for a in "bdfgklmnprtvz" for b in "aeiou"]


@dataclass(frozen=True)
class Rows:
    """Rows by columns. The tags of row i are `tags[offsets[i]:offsets[i + 1]]`, into `raw_tags`."""

    ids: bytes
    offsets: Int32[np.ndarray, " rows_and_one"]
    tags: Int32[np.ndarray, " uses"]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def part(self, first: int, last: int) -> Rows:
        start, end = self.offsets[first], self.offsets[last]
        offsets = self.offsets[first : last + 1] - start
        return Rows(self.ids[32 * first : 32 * last], offsets, self.tags[start:end])


@dataclass(frozen=True)
class Language:
    """Concepts of three domains, most frequent first, and how each may be written.

    `common` restricts what is drawn to the concepts of the best `common` ranks of each domain, in
    their first form: rows that bring no tag which a vocabulary of fair size lacks.
    """

    seed: int = SEED
    common: int | None = None

    @cached_property
    def written(self) -> tuple[list[str], Int32[np.ndarray, "concepts forms"]]:
        """Every tag as it may be written, and for each concept the tags it is written as."""
        choose = random.Random(self.seed)
        raw, table = dict[str, int](), list[list[int]]()
        for domain, head in enumerate(HEADS):
            names = itertools.chain(head.split(), _made_up_words(domain, choose))
            for name in itertools.islice(names, CONCEPTS_A_DOMAIN):
                forms = _forms(name, choose)
                places = [raw.setdefault(form, len(raw)) for form in forms]
                table.append((places * len(FORM_SHARES))[: len(FORM_SHARES)])
        return list(raw), np.array(table, np.int32)

    @property
    def raw_tags(self) -> list[str]:
        return self.written[0]

    def stretch(self, first: int, count: int) -> Iterator[Rows]:
        """Yield rows `first` to `first + count`, a chunk at a time."""
        for chunk in range(first // CHUNK, -(-(first + count) // CHUNK)):
            start = chunk * CHUNK
            yield self._chunk(chunk).part(max(first - start, 0), min(first + count - start, CHUNK))

    def _chunk(self, chunk: int) -> Rows:
        generator = np.random.default_rng([self.seed, chunk])
        concepts = self._concepts(generator)
        wanted = generator.integers(FEWEST_TAGS, MOST_TAGS + 1, CHUNK)
        wanted[generator.random(CHUNK) < UNTAGGED_SHARE] = 0
        new = _first_of_its_kind(concepts)
        kept = new & (np.cumsum(new, axis=1) <= wanted[:, None])
        form = np.searchsorted(np.cumsum(FORM_SHARES)[:-1], generator.random(concepts.shape))
        if self.common is not None:
            form[:] = 0
        offsets = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32)
        return Rows(_hex_ids(generator, CHUNK), offsets, self.written[1][concepts, form][kept])

    def _concepts(self, generator: np.random.Generator) -> Int64[np.ndarray, "rows draws"]:
        """Draw concepts; of a topic are those whose rank in the domain leaves its remainder."""
        shape = (CHUNK, DRAWS)
        domain = generator.choice(len(HEADS), CHUNK, p=DOMAIN_SHARES)[:, None]
        topic = generator.integers(TOPICS_A_DOMAIN, size=(CHUNK, 1))
        rank = _zipf_ranks(generator, shape, self.common or CONCEPTS_A_DOMAIN)
        topical = generator.random(shape) < TOPICAL_SHARE
        rank = np.where(topical, rank - rank % TOPICS_A_DOMAIN + topic, rank)
        foreign = generator.random(shape) < FOREIGN_SHARE
        domain = np.where(foreign, generator.integers(len(HEADS), size=shape), domain)
        return domain * CONCEPTS_A_DOMAIN + rank

    def write_parquet(self, path: Path, first: int, count: int) -> None:
        """Write the table that the stage `tag` would seal."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        tags = pa.array(self.raw_tags)
        with pq.ParquetWriter(path, arrow_schema(TagSet), compression="zstd") as writer:
            for rows in self.stretch(first, count):
                columns = {
                    "id": _string_array(rows.ids),
                    "tags": pa.ListArray.from_arrays(rows.offsets, tags.take(pa.array(rows.tags))),
                    "backend": pa.repeat(pa.scalar("0123456789ab"), len(rows)),
                }
                table = pa.table(columns, schema=arrow_schema(TagSet))
                writer.write_table(table, row_group_size=ROW_GROUP_SIZE)

    def write_jsonl(self, path: Path, first: int, count: int) -> None:
        """Write one {"id", "caption", "tags"} object a line, with captions of about 390 words."""
        tags = [f'"{tag}"' for tag in self.raw_tags]
        words = [tag for tag in self.raw_tags if " " not in tag]
        blocks = _caption_blocks(random.Random(self.seed), words)
        with open(path, "w", encoding="ascii", newline="\n") as file:
            for number, rows in enumerate(self.stretch(first, count)):
                generator = np.random.default_rng([self.seed, first, number])
                chosen = generator.integers(BLOCKS, size=(len(rows), BLOCKS_A_CAPTION)).tolist()
                ids, ends = rows.ids.decode(), rows.offsets.tolist()
                uses = [tags[tag] for tag in rows.tags.tolist()]
                file.writelines(
                    f'{{"id": "{ids[32 * row : 32 * row + 32]}", '
                    f'"caption": "{" ".join([blocks[block] for block in chosen[row]])}", '
                    f'"tags": [{", ".join(uses[ends[row] : ends[row + 1]])}]}}\n'
                    for row in range(len(rows))
                )


def _zipf_ranks(
    generator: np.random.Generator, shape: tuple[int, int], most: int
) -> Int64[np.ndarray, "rows draws"]:
    """Draw ranks 0 to `most` - 1 by the inverse of Pareto's distribution, cut off at `most`."""
    power = 1 - TAIL_EXPONENT
    cut = 1 - (most + 1) ** power
    return ((1 - cut * generator.random(shape)) ** (1 / power)).astype(np.int64).clip(1, most) - 1


def _first_of_its_kind(
    concepts: Int64[np.ndarray, "rows draws"],
) -> Bool[np.ndarray, "rows draws"]:
    new = np.ones(concepts.shape, bool)
    for place in range(1, concepts.shape[1]):
        new[:, place] = (concepts[:, :place] != concepts[:, place : place + 1]).all(axis=1)
    return new


def _hex_ids(generator: np.random.Generator, count: int) -> bytes:
    """Return `count` ids of 32 hex digits, one behind the other."""
    return generator.bytes(16 * count).hex().encode()


def _string_array(ids: bytes) -> Any:
    import pyarrow as pa

    count = len(ids) // 32
    ends = np.arange(0, len(ids) + 1, 32, dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(ids))


def _made_up_words(domain: int, choose: random.Random) -> Iterator[str]:
    """Yield words of three syllables, different ones for each domain; one in five is of two."""
    numbers = range(domain, len(_SYLLABLES) ** 3, len(HEADS))
    for number in choose.sample(numbers, len(numbers)):
        first, rest = divmod(number, len(_SYLLABLES) ** 2)
        second, third = divmod(rest, len(_SYLLABLES))
        word = _SYLLABLES[first] + _SYLLABLES[second] + _SYLLABLES[third]
        yield f"{word}-{choose.choice(_SYLLABLES)}n" if choose.random() < 0.2 else word


def _forms(name: str, choose: random.Random) -> list[str]:
    """Return how a tag is written: one form, or up to four of them, the usual one first."""
    if "-" in name:
        return [name, name.replace("-", "_"), name.replace("-", " "), name.replace("-", "")]
    others = [name + "s", name.capitalize()]
    return [name, *choose.sample(others, choose.choices((0, 1, 2), (0.6, 0.3, 0.1))[0])]


def _caption_blocks(choose: random.Random, words: list[str]) -> list[str]:
    """Return paragraphs as JSON holds them, with the quotes and the breaks that captions have."""
    blocks = list[str]()
    for _ in range(BLOCKS):
        text = [
            choose.choice(FILLERS if choose.random() < 0.45 else words)
            for _ in range(WORDS_A_BLOCK)
        ]
        for place in range(12, WORDS_A_BLOCK, 18):
            text[place] += "."
        text[3] = f'\\"{text[3]}\\"'
        blocks.append(" ".join(text) + ".\\n\\n")
    return blocks
