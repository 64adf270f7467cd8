"""The five objectives on one corpus, for the same number of audio-seconds: a probe table each.

    python benchmarks/objectives.py demo -w demo encoder.kind=zipformer encoder.size=S
    python benchmarks/objectives.py pack -w pack --only tags,contrastive pretrain.steps=2000

Captions, tags and manifest are made once; an arm that is done is not redone. Prints one Markdown
row for each objective, and what training cost.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from earmark.pipeline import run
from earmark.recipe import load_recipe
from earmark.records import Score, read_parquet

OBJECTIVES = {
    "tags": (),
    "tags-parallel": ("objective.model.size=mini",),
    "contrastive": ("objective.model.size=mini", "objective.dim=256"),
    "captioning": ("objective.model.size=mini",),
    "multitask": (
        'objective.parts=[{kind="tags"},{kind="captioning",model={size="mini",max_tokens=256}}]',
    ),
}
"""Settings for a CPU: text models of 2 layers x 256 instead of the paper's base sizes."""


def arm(corpus: str, workspace: Path, objective: str, shared: list[str]) -> dict[str, str]:
    """Train and probe under one objective; return {column: cell}."""
    overrides = [*shared, f"objective.kind={objective}", *OBJECTIVES[objective]]
    done = run(load_recipe(corpus, overrides), workspace)
    stages = done.latest_run()[1]
    scores = read_parquet(stages["evaluate"].file("scores.parquet"), Score)
    log = stages["pretrain"].file("log.jsonl").read_bytes().splitlines()
    last = [row for row in map(msgspec.json.decode, log) if row["split"] == "train"][-1]
    minutes = stages["pretrain"].provenance()["duration_s"] / 60
    cells = {"objective": objective, "audio-s": f"{last['audio_s']:,.0f}", "min": f"{minutes:.1f}"}
    for score in scores:
        if score.encoder == "trained":
            cells[score.task] = f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"
    return cells | {
        f"random {score.task}": f"{score.value:.3f}"
        for score in scores
        if score.encoder == "random"
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", help="a recipe: demo, pack, or a file of yours")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="for every arm")
    parser.add_argument("--workspace", "-w", type=Path, required=True)
    parser.add_argument("--only", default=",".join(OBJECTIVES), help="kinds, with commas between")
    given = parser.parse_intermixed_args()
    kinds = given.only.split(",")
    rows = [arm(given.corpus, given.workspace, kind, given.overrides) for kind in kinds]
    tasks = [name for name in rows[0] if not name.startswith("random ")]
    print("| " + " | ".join(tasks) + " |")
    print("| " + " | ".join("---" for _ in tasks) + " |")
    for row in rows:
        print("| " + " | ".join(row[name] for name in tasks) + " |")
    random = {name: rows[0].get(f"random {name}", "") for name in tasks[3:]}
    print("| random weights | | | " + " | ".join(random.values()) + " |")


if __name__ == "__main__":
    main()
