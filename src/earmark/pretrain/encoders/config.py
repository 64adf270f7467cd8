"""The settings of encoders, free of torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from earmark.config import Config, ConfigError
from earmark.pretrain.encoders.mel import check_mel_bins
from earmark.pretrain.ranges import at_least, within


class TransformerShape(NamedTuple):
    """The dimensions of a transformer: width of a frame, blocks, attention heads a block."""

    dim: int
    layers: int
    heads: int


TRANSFORMER_SHAPES = {
    "mini": TransformerShape(dim=256, layers=6, heads=4),
    "S": TransformerShape(dim=384, layers=12, heads=6),
    "B": TransformerShape(dim=768, layers=12, heads=12),
}

PATCH = 16
"""Log-mel frames and bins that a patch spans."""


class TransformerConfig(Config, frozen=True, kw_only=True, tag="transformer", tag_field="kind"):
    """A plain pre-norm transformer on log-mel frames (about 5M parameters as it stands).

    Args:
        size: "mini" (256 x 6 blocks, 4 heads), "S" (384 x 12, 6 heads; about 22M parameters) or
            "B" (768 x 12, 12 heads; about 86M).
        sample_rate: what it listens to, Hz.
        mel_bins: log-mel channels; with patches a multiple of 16.
        dim: width of a frame, in place of the size's.
        layers: transformer blocks, in place of the size's.
        heads: attention heads a block, in place of the size's; divides the width.
        front: what is before the blocks: a "convolution", or "patch" for non-overlapping patches
            of 16 frames by 16 bins, each a token of its own.
        stem_channels: of the convolutions before the blocks; each halves the 100 Hz frame rate.
            Not looked at with patches.
        dropout: behind attention and feed-forward, 0 to 1.
    """

    size: Literal["mini", "S", "B"] = "mini"
    sample_rate: int = 16000
    mel_bins: int = 80
    dim: int | None = None
    layers: int | None = None
    heads: int | None = None
    front: Literal["convolution", "patch"] = "convolution"
    stem_channels: tuple[int, ...] = (16, 32, 64, 128)
    dropout: float = 0.1

    @property
    def shape(self) -> TransformerShape:
        """The size's dimensions, with those that are given by themselves in their place."""
        size = TRANSFORMER_SHAPES[self.size]
        return TransformerShape(
            size.dim if self.dim is None else self.dim,
            size.layers if self.layers is None else self.layers,
            size.heads if self.heads is None else self.heads,
        )

    def __post_init__(self) -> None:
        """Refuse what no encoder can be built from.

        Raises:
            ConfigError: a value is out of range, `heads` does not divide `dim`, the sample rate
                has no room for the mel bins, or patches do not tile them.
        """
        dim, layers, heads = self.shape
        for name, value in (
            ("sample_rate", self.sample_rate),
            ("mel_bins", self.mel_bins),
            ("dim", dim),
            ("heads", heads),
        ):
            at_least(f"encoder.{name}", value, 1)
        at_least("encoder.layers", layers, 0)
        within("encoder.dropout", self.dropout, 0.0, 1.0)
        if dim % heads:
            fitting = [number for number in range(1, dim + 1) if dim % number == 0]
            closest = min(fitting, key=lambda number: abs(number - heads))
            raise ConfigError(
                f"encoder.heads = {heads} does not divide encoder.dim = {dim}; the "
                f"nearest number that does is {closest}."
            )
        self._check_front()
        check_mel_bins(self.sample_rate, self.mel_bins)

    def _check_front(self) -> None:
        if not self.stem_channels or min(self.stem_channels) < 1:
            raise ConfigError(
                f"encoder.stem_channels = {list(self.stem_channels)}: give the channels of one or "
                "more convolutions, such as [16, 32, 64, 128]."
            )
        if self.front == "patch" and self.mel_bins % PATCH:
            closest = max(PATCH, round(self.mel_bins / PATCH) * PATCH)
            raise ConfigError(
                f"encoder.mel_bins = {self.mel_bins} cannot be cut into patches of {PATCH} bins; "
                f"the nearest number that can is {closest}."
            )


class ZipformerShape(Config, frozen=True, kw_only=True):
    """The dimensions of a Zipformer2 (arXiv 2310.11230), one number a stack where a tuple is.

    As it stands that of Zipformer-M (PAPER section 3): 65.9M parameters, 512-d, 25 Hz.

    Args:
        stem_channels: of the three convolutions before the stacks.
        layers: blocks of each stack.
        dims: width of each stack; the encoder's is the largest.
        feed_forward_dims: width inside the feed-forward of each stack.
        heads: attention heads of each stack.
        query_head_dim: width of a head's queries and keys.
        value_head_dim: width of a head's values.
        position_head_dim: width of a head's positional queries.
        position_dim: width of the relative positional encoding.
        kernels: odd widths of the depthwise convolutions of each stack, frames.
        downsampling: how many 50 Hz frames are one in each stack.
        output_downsampling: how many 50 Hz frames are one at the output.
    """

    stem_channels: tuple[int, int, int] = (8, 32, 128)
    layers: tuple[int, ...] = (2, 2, 3, 4, 3, 2)
    dims: tuple[int, ...] = (192, 256, 384, 512, 384, 256)
    feed_forward_dims: tuple[int, ...] = (576, 768, 1152, 1536, 1152, 768)
    heads: tuple[int, ...] = (4, 4, 4, 8, 4, 4)
    query_head_dim: int = 32
    value_head_dim: int = 12
    position_head_dim: int = 4
    position_dim: int = 48
    kernels: tuple[int, ...] = (31, 31, 15, 15, 15, 31)
    downsampling: tuple[int, ...] = (1, 2, 4, 8, 4, 2)
    output_downsampling: int = 2

    def __post_init__(self) -> None:
        """Refuse what no encoder can be built from.

        Raises:
            ConfigError: naming the key, the value and what it should be.
        """
        stacks = len(self.dims)
        if not stacks:
            raise ConfigError("encoder.shape.dims = [] should have a number for each stack.")
        for name, least in EACH_STACK.items():
            given: tuple[int, ...] = getattr(self, name)
            if len(given) != stacks:
                raise ConfigError(
                    f"encoder.shape.{name} = {list(given)} has {len(given)} numbers, but "
                    f"encoder.shape.dims has {stacks}: give one for each stack."
                )
            at_least(f"encoder.shape.{name}", min(given), least)
        at_least("encoder.shape.stem_channels", min(self.stem_channels), 1)
        for name in ONE_NUMBER:
            at_least(f"encoder.shape.{name}", getattr(self, name), 1)
        self._check_parity()

    def _check_parity(self) -> None:
        for kernel in self.kernels:
            if kernel % 2 == 0:
                raise ConfigError(
                    f"encoder.shape.kernels = {list(self.kernels)}: {kernel} is even, but a kernel "
                    f"should have as many frames to either side; give {kernel + 1}."
                )
        if self.position_dim % 2:
            raise ConfigError(
                f"encoder.shape.position_dim = {self.position_dim} should be even, for its cosines "
                f"and sines; give {self.position_dim + 1}."
            )


EACH_STACK = {
    "dims": 2,
    "layers": 1,
    "feed_forward_dims": 2,
    "heads": 1,
    "kernels": 1,
    "downsampling": 1,
}
"""Settings of a Zipformer with one number a stack, and the least that each may be."""

ONE_NUMBER = (
    "query_head_dim",
    "value_head_dim",
    "position_head_dim",
    "position_dim",
    "output_downsampling",
)

STEM_MEL_BINS = 7
"""The fewest of which Zipformer's convolutions leave one."""


class ZipformerConfig(Config, frozen=True, kw_only=True, tag="zipformer", tag_field="kind"):
    """Zipformer2 on Kaldi log-mel: the paper's encoder (arXiv 2310.11230; PAPER section 3).

    Args:
        size: "M" (65.9M parameters, 512-d) as the paper's, "L" (152.7M, 768-d), or "S" (9.6M)
            for a CPU.
        shape: instead of a size, every dimension.
        sample_rate: what it listens to, Hz.
        mel_bins: log-mel channels.
        dropout: of feed-forward, convolution and attention at the end of its schedule, 0 to 1.
    """

    size: Literal["S", "M", "L"] = "M"
    shape: ZipformerShape | None = None
    sample_rate: int = 16000
    mel_bins: int = 80
    dropout: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is out of range. Raises ConfigError."""
        at_least("encoder.mel_bins", self.mel_bins, STEM_MEL_BINS)
        within("encoder.dropout", self.dropout, 0.0, 1.0)
        check_mel_bins(self.sample_rate, self.mel_bins)


class HuggingFaceConfig(Config, frozen=True, kw_only=True, tag="huggingface", tag_field="kind"):
    """An audio model of `transformers`: AST, Whisper's encoder, wav2vec2 and its kin, CLAP's tower.

    Args:
        model: a model hub's name, or a folder that save_pretrained wrote.
        revision: of the hub's repository.
        layer: whose frames are taken; -1 is the last, with the model's own final norm.
        pretrained: whether the weights are taken over; else they are drawn afresh.
        architecture: config.json and preprocessor_config.json of the model as JSON; filled in when
            it is first built, so that a checkpoint is loaded without the model hub.
    """

    model: str = ""
    revision: str | None = None
    layer: int = -1
    pretrained: bool = True
    architecture: str = ""

    def __post_init__(self) -> None:
        """Refuse a model that is nowhere, unless its `architecture` is known already.

        Raises:
            ConfigError: no model is named, or it is a path to no folder.
        """
        if self.architecture:
            return
        if not self.model:
            raise ConfigError(
                "encoder.model is empty: give a model hub's name, such as 'openai/whisper-base', "
                "or a folder that save_pretrained wrote."
            )
        if self.model[0] in "/.~" and not Path(self.model).is_dir():
            home = " '~' is not expanded: write the path out." if self.model[0] == "~" else ""
            raise ConfigError(
                f"encoder.model = {self.model!r}: no such folder.{home} Give a folder that "
                "save_pretrained wrote, or a model hub's name, such as 'openai/whisper-base'."
            )


EncoderConfig = TransformerConfig | ZipformerConfig | HuggingFaceConfig
