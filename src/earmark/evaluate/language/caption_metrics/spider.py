"""SPIDEr: half CIDEr-D, half SPICE (Liu et al. 2017, arXiv 1612.00370, section 4)."""

from __future__ import annotations


def spider(cider_d: float, spice: float) -> float:
    """Return SPIDEr, the mean of CIDEr-D (0 to 10) and SPICE (0 to 1).

    SPICE (arXiv 1607.08822) parses captions into scenes by a parser in Java, which is not part of
    earmark: a SPICE value that was worked out elsewhere must be given.
    """
    return (cider_d + spice) / 2
