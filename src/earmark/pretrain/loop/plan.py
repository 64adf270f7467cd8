"""What a run is made of, and what makes two runs the same: all that shapes the weights."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import msgspec

from earmark.annotate.vocabulary import Vocabulary
from earmark.config import fingerprint
from earmark.pretrain.config import PretrainConfig, shaping
from earmark.pretrain.encoders.config import EncoderConfig
from earmark.pretrain.loop.data import Splits
from earmark.pretrain.objectives.config import ObjectiveConfig
from earmark.records import Example


class Plan(msgspec.Struct, frozen=True):
    """What a run is made of: the same in every process, and after a kill.

    `encoder` is as the recipe has it: what else a model hub says of it is in the state of the run.
    """

    splits: Splits
    vocabulary: Vocabulary
    encoder: EncoderConfig
    objective: ObjectiveConfig
    config: PretrainConfig
    seed: int

    def fingerprint(self) -> str:
        """Return what tells this run from those with other weights."""
        clips = [_digest(split) for split in (self.splits.train, self.splits.validation)]
        return fingerprint(
            self.encoder,
            self.objective,
            shaping(self.config),
            self.vocabulary.fingerprint,
            clips,
            self.seed,
        )


def _digest(examples: Iterable[Example]) -> str:
    """Return a hash of examples in their order; files may have moved."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(msgspec.json.encode(msgspec.structs.replace(example, path="")))
    return digest.hexdigest()
