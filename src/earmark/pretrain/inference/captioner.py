"""Texts of audio files, by a checkpoint that was trained to write them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from earmark.pretrain.data.loader import AudioInput
from earmark.pretrain.encoders.base import Encoder
from earmark.pretrain.inference.load import capability_error, load_trained_checkpoint
from earmark.pretrain.inference.tagger import find_objective
from earmark.pretrain.objectives.captioning import CaptioningObjective
from earmark.pretrain.objectives.config import CaptioningConfig


@final
@dataclass(frozen=True)
class Captioner:
    """An encoder with the decoder that was trained on it to write what it hears."""

    encoder: Encoder
    objective: CaptioningObjective

    def describe(self, files: Sequence[AudioInput], max_tokens: int | None = None) -> list[str]:
        """Return a text for each file: word by word, the likeliest word each time.

        Args:
            files: paths of audio files, spans of such, or mono waves at the encoder's sample rate.
            max_tokens: longest text, in pieces; at most and by default what was trained.

        Raises:
            AudioError: a file cannot be decoded.
            ValueError: `max_tokens` is below one.
        """
        written = [""] * len(files)
        for places, encoded in self.encoder.encode(files):
            texts = self.objective.write(encoded, max_tokens=max_tokens)
            for place, text in zip(places, texts, strict=True):
                written[place] = text
        return written


def load_captioner(path: str | Path, device: str = "cpu") -> Captioner:
    """Return what writes texts in a captioning checkpoint, or in a multitask one with such a part.

    Args:
        path: as of `load_encoder`.
        device: as of `load_encoder`.

    Raises:
        ConfigError: as `load_encoder`, or the checkpoint has not learnt to write texts.
    """
    folder, checkpoint = load_trained_checkpoint(path, device)
    objective = find_objective(checkpoint, CaptioningConfig)
    if objective is None:
        raise capability_error("describe", folder, checkpoint.objective_config, ("captioning",))
    assert isinstance(objective, CaptioningObjective)
    return Captioner(checkpoint.encoder, objective)
