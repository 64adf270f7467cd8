"""The funnel: rows into each stage, rows out of it, and the reason for every other row.

Nothing may vanish. A stage's counts must add up (in = out + reasons), every rejection must have
its row in rejected.parquet, and a stage must start with as many clips as an earlier one passed on.
Where scan cuts files into windows it counts both, for its rows are then more than its files. What
does not hold is stated on the page.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from earmark.records import Clip, Example, Rejected
from earmark.report.run import RunData
from earmark.tables import TOTAL_KEYS, count_rejections

CLIP_STAGES = (
    "corpus",
    "scan",
    "caption-raw",
    "caption",
    "tag-raw",
    "tag",
    "manifest",
    "pretrain",
)
MAX_SHOWN_REJECTED = 50


@dataclass(frozen=True)
class FunnelStage:
    """One stage's counts; `unit` says of what.

    `faults` are sentences on what does not add up; none is the good case. `files` is what was
    given, where that was cut into more.
    """

    name: str
    unit: str
    received: int
    passed: int
    reasons: tuple[tuple[str, int], ...]
    rejected: tuple[Rejected, ...]
    faults: tuple[str, ...]
    files: int | None = None

    @property
    def lost(self) -> int:
        """Return how many rows have a reason for not being passed on."""
        return sum(count for _, count in self.reasons)

    @property
    def shown(self) -> tuple[Rejected, ...]:
        """Return the rejected rows that the page lists."""
        return self.rejected[:MAX_SHOWN_REJECTED]


@dataclass(frozen=True)
class Funnel:
    """The stages from the first file to the encoder.

    `splits` holds (name, clips, seconds of audio), `names` the name of each clip id.
    """

    steps: tuple[FunnelStage, ...]
    splits: tuple[tuple[str, int, float], ...]
    names: Mapping[str, str]

    @property
    def faults(self) -> tuple[str, ...]:
        """Return everything that does not add up."""
        return tuple(fault for step in self.steps for fault in step.faults)

    @property
    def widest(self) -> int:
        """Return the largest number of clips in any stage, the full width of the drawing."""
        return max([1, *(s.received for s in self.steps if s.unit != "distinct tags")])


def read_funnel(found: RunData) -> Funnel:
    """Count the rows of the finished stages."""
    steps = list[FunnelStage]()
    for name in CLIP_STAGES:
        if name in found:
            before = {step.passed for step in steps}
            steps.append(_funnel_stage(name, found, before))
    if "vocabulary" in found:
        at = next((i for i, step in enumerate(steps) if step.name == "manifest"), len(steps))
        steps.insert(at, _funnel_stage("vocabulary", found, set()))
    examples = found.rows("manifest", "manifest.parquet", Example)
    names = {clip.id: clip.name for clip in found.rows("scan", "clips.parquet", Clip)}
    return Funnel(tuple(steps), _splits(examples), names)


def check_counts(
    name: str, counts: Mapping[str, int], rejected: Sequence[Rejected] | None, before: set[int]
) -> tuple[str, ...]:
    """Return what does not add up in one stage's `counts`.

    Args:
        name: the stage.
        counts: {"in": n, "out": m, "stage: reason": k, ...}, and "files": f where the stage was
            given f files and cut some of them into clips, all of which are n.
        rejected: the stage's rejected rows, or None where it keeps none.
        before: how many clips each earlier stage passed on; empty for a first stage.
    """
    faults = list[str]()
    received, passed, reasons = counts["in"], counts["out"], _reasons(counts)
    accounted = passed + sum(reasons.values())
    if received != accounted:
        faults.append(
            f"{name}: {received:,} rows went in, but {accounted:,} are accounted for "
            f"({abs(received - accounted):,} {'lost' if accounted < received else 'too many'})."
        )
    if rejected is not None and count_rejections(rejected) != reasons:
        faults.append(
            f"{name}: {sum(reasons.values()):,} rejections were counted, but rejected.parquet "
            f"holds {len(rejected):,} rows or other reasons."
        )
    given = counts.get("files", received)
    if before and given not in before:
        faults.append(f"{name}: {given:,} rows went in, but no stage before passed on that many.")
    return tuple(faults)


def _funnel_stage(name: str, found: RunData, before: set[int]) -> FunnelStage:
    counts: dict[str, int] = found.provenance(name)["counts"]
    kept = found.file(name, "rejected.parquet")
    rejected = found.rows(name, "rejected.parquet", Rejected)
    return FunnelStage(
        name=name,
        unit="distinct tags" if name == "vocabulary" else "files" if name == "corpus" else "clips",
        received=counts["in"],
        passed=counts["out"],
        reasons=tuple(sorted(_reasons(counts).items(), key=lambda item: (-item[1], item[0]))),
        rejected=tuple(rejected),
        faults=check_counts(name, counts, rejected if kept else None, before),
        files=counts.get("files"),
    )


def _reasons(counts: Mapping[str, int]) -> dict[str, int]:
    return {key: count for key, count in counts.items() if key not in TOTAL_KEYS and count}


def _splits(examples: Sequence[Example]) -> tuple[tuple[str, int, float], ...]:
    clips = Counter(example.split for example in examples)
    seconds = defaultdict[str, float](float)
    for example in examples:
        seconds[example.split] += example.duration_s
    known = [name for name in ("train", "validation", "test") if name in clips]
    order = [*known, *sorted(set(clips) - set(known))]
    return tuple((name, clips[name], seconds[name]) for name in order)
