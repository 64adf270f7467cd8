"""The golden model card. To write it anew, after a change that is meant:

python tests/unit/pretrain/checkpoint/golden_card.py
"""

from __future__ import annotations

from pathlib import Path

from earmark.annotate.vocabulary import Vocabulary
from earmark.pretrain.checkpoint.folder import CHECKPOINT_FORMAT, CheckpointConfig
from earmark.pretrain.checkpoint.model_card import (
    SplitSize,
    TrainingData,
    TrainingSummary,
    render_model_card,
)
from earmark.pretrain.config import PretrainConfig, ScaledAdamConfig
from earmark.pretrain.encoders.config import ZipformerConfig
from earmark.pretrain.objectives.config import CaptioningConfig, MultitaskConfig, TagsConfig
from earmark.pretrain.objectives.targets import ClassSpec, TargetSpec, TargetSpecs
from earmark.pretrain.text.config import TextModelConfig, TextStats, TokenizerSpec

PATH = Path(__file__).parent / "golden" / "card.md"
COMMAND = "python tests/unit/pretrain/checkpoint/golden_card.py"

OBJECTIVE = MultitaskConfig(
    parts=(TagsConfig(), CaptioningConfig(text="original", model=TextModelConfig(size="small"))),
    weights=(1.0, 0.5),
)
SETTINGS = CheckpointConfig(
    format=CHECKPOINT_FORMAT,
    earmark="1.2.3",
    step=400000,
    sample_rate=16000,
    vocabulary="0123456789ab",
    encoder=ZipformerConfig(),
    objective=OBJECTIVE,
)
MATERIALS = TargetSpecs(
    parts=(
        TargetSpec(classes=ClassSpec(names=("dog", "rain"), counts=(2, 1), clips=3)),
        TargetSpec(
            words=TokenizerSpec(
                tokenizer="{}",
                facts=TextStats(texts=1234, tokens=56789, longest=301, texts_cut=3, tokens_cut=57),
            )
        ),
    )
)
VOCABULARY = Vocabulary.from_labels(["dog", "rain"])
DATA = TrainingData(
    splits=(
        SplitSize(name="train", clips=1000, hours=3.25),
        SplitSize(name="test", clips=200, hours=0.5),
    ),
    domains={"speech": 700, "music": 500},
    licences={"CC BY 4.0": 900, "CC0": 100},
    captioned=1100,
    captioner="Qwen/Qwen3-Omni-30B-A3B-Captioner (main)",
    tagger="earmark's lexical backend",
)
TRAINING = TrainingSummary(
    config=PretrainConfig(
        steps=400000, batch_s=640.0, max_clip_s=60.0, optimizer=ScaledAdamConfig(), ema_decay=0.999
    ),
    seed=7,
    parameters=65_900_000,
    objective_parameters=12_000_000,
    audio_s=1.5e9,
    processes=8,
    validation={"loss": 1.23456, "tags/map": 0.43},
    selects="tags/map",
    left_out={"no original text": 31},
)


def render() -> str:
    """Return the card as it is now."""
    return render_model_card(
        SETTINGS, MATERIALS, VOCABULARY, DATA, TRAINING, chosen="best checkpoint"
    )


if __name__ == "__main__":
    PATH.write_text(render(), "utf-8")
