"""How many mel filters a sample rate has room for, by arithmetic alone, free of torch."""

from __future__ import annotations

import math

from earmark.config import ConfigError

LOWEST_HZ = 20.0
BELOW_NYQUIST_HZ = 400.0
LOWEST_RATE_HZ = 1000
"""Some band is left between 20 Hz and 400 Hz below Nyquist."""
HIGHEST_RATE_HZ = 768_000
"""No recorder is faster."""


def check_mel_bins(sample_rate: int, mel_bins: int) -> None:
    """Refuse a log-mel that `earmark.pretrain.encoders.log_mel.LogMel` cannot compute.

    Raises:
        ConfigError: so many bins that a filter would lie between two bands of the spectrum; the
            message has the most that fit.
    """
    if fits(sample_rate, mel_bins):
        return
    tried = range(min(mel_bins, sample_rate), 0, -1)
    most = next(bins for bins in tried if bins == 1 or fits(sample_rate, bins))
    raise ConfigError(
        f"mel_bins = {mel_bins} are too many at sample_rate = {sample_rate}: some filter would "
        f"hold nothing of the spectrum. Give at most {most}; 80 suit 16000 Hz."
    )


def fits(sample_rate: int, mel_bins: int) -> bool:
    """Tell whether each triangle holds a band of the spectrum of 25 ms."""
    fft_size = 2 ** math.ceil(math.log2(round(0.025 * sample_rate)))
    band_hz = sample_rate / fft_size
    low, high = mel_of(LOWEST_HZ), mel_of(sample_rate / 2 - BELOW_NYQUIST_HZ)
    step = (high - low) / (mel_bins + 1)
    for place in range(mel_bins):
        left, right = (_hz(low + step * (place + side)) for side in (0, 2))
        if (math.floor(left / band_hz) + 1) * band_hz >= right:
            return False
    return True


def mel_of(hz: float) -> float:
    """Return a frequency on Kaldi's mel scale."""
    return 1127.0 * math.log1p(hz / 700.0)


def _hz(mel: float) -> float:
    return 700.0 * math.expm1(mel / 1127.0)
