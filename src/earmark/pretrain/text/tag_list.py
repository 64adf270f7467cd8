"""Tags in a list, "dog, rain, speech": parsed from a text, or scored by token probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor
from torch.nn import functional

from earmark.pretrain.text.tokenizer import Tokenizer

SEPARATOR = ", "


@dataclass(frozen=True)
class ParsedTags:
    """Names that a text lists, each once, in its order; `unknown` counts what is no name."""

    names: tuple[str, ...]
    unknown: int


def parse_tag_list(text: str, names: Sequence[str]) -> ParsedTags:
    """Return which of `names` a text lists; a name may itself hold commas, the longest is taken."""
    known = {SEPARATOR.join(_split_commas(name)): name for name in names}
    widest = max((len(_split_commas(name)) for name in names), default=0)
    parts = _split_commas(text)
    found, unknown, place = dict[str, None](), 0, 0
    while place < len(parts):
        for width in range(min(widest, len(parts) - place), 0, -1):
            if name := known.get(SEPARATOR.join(parts[place : place + width])):
                found[name] = None
                place += width
                break
        else:
            unknown, place = unknown + 1, place + 1
    return ParsedTags(tuple(found), unknown)


def _split_commas(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


class TagProbabilities:
    """How likely each of `names` is in a list whose places are independent of one another.

    That they are, given the audio, is what parallel decoding assumes. A name stands at place t if
    its pieces do, between a comma (or the start) and a comma (or the end), and the list has not
    ended before:

        P_t = prod_{s < t - 1} (1 - p_s(end)) * p_{t-1}(comma) * prod_j p_{t+j}(piece_j)

    and is in the list with 1 - prod_t (1 - P_t).

    Args:
        names: what may be listed.
        pieces: the words that lists are written in.
    """

    def __init__(self, names: Sequence[str], pieces: Tokenizer) -> None:
        self._end_id = pieces.end_id
        self._commas = torch.tensor(pieces.ids_ending_in(","))
        # Within a list; the "x," before a name is taken off again.
        before = pieces.pieces("x,")
        within = [pieces.pieces(f"x, {name}")[len(before) :] for name in names]
        followed = [pieces.pieces(f"x, {name},")[len(before) :] for name in names]
        self._within = (_pad_rows(followed), _pad_rows([[*row, pieces.end_id] for row in within]))
        first = [pieces.pieces(name) for name in names]
        followed = [pieces.pieces(f"{name},") for name in names]
        self._first = (_pad_rows(followed), _pad_rows([[*row, pieces.end_id] for row in first]))

    def __call__(self, scores: Float32[Tensor, "batch places words"]) -> Float32[Tensor, "batch n"]:
        """Return the probability of each name, from the scores (logits) of all pieces."""
        log_chance = scores.log_softmax(dim=-1)
        at_start = torch.logaddexp(*(_log_prob_at(log_chance, rows) for rows in self._first))[:, :1]
        inside = torch.logaddexp(*(_log_prob_at(log_chance, rows) for rows in self._within))[:, 1:]
        # The last place can only hold a comma that no name follows.
        goes_on = torch.log1p(-log_chance[..., self._end_id].exp().clamp(max=1 - 1e-6))
        alive = functional.pad(goes_on.cumsum(dim=1), (1, 0))[:, : goes_on.shape[1] - 1]
        comma = log_chance[..., self._commas.to(scores.device)].logsumexp(dim=-1)[:, :-1]
        inside = inside + (alive + comma).unsqueeze(-1)
        chances = torch.cat([at_start, inside], dim=1).exp().clamp(max=1 - 1e-6)
        return -torch.expm1(torch.log1p(-chances).sum(dim=1))


@dataclass(frozen=True)
class _TokenRows:
    """Pieces of each name, padded behind; `mask` is True where one is."""

    ids: Int64[Tensor, "names longest"]
    mask: Bool[Tensor, "names longest"]


def _pad_rows(rows: Sequence[Sequence[int]]) -> _TokenRows:
    longest = max(map(len, rows), default=0)
    ids = torch.zeros(len(rows), longest, dtype=torch.int64)
    mask = torch.zeros(len(rows), longest, dtype=torch.bool)
    for place, row in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        mask[place, : len(row)] = True
    return _TokenRows(ids, mask)


def _log_prob_at(
    log_chance: Float32[Tensor, "batch places words"], rows: _TokenRows
) -> Float32[Tensor, "batch places names"]:
    """Return the log probability that a row stands from a place on; -inf where it does not fit."""
    device, places = log_chance.device, log_chance.shape[1]
    total = log_chance.new_zeros(len(log_chance), places, len(rows.ids))
    for step in range(rows.ids.shape[1]):
        here = log_chance[:, step:, rows.ids[:, step].to(device)]
        here = functional.pad(here, (0, 0, 0, min(step, places)), value=-torch.inf)
        total = total + here.masked_fill(~rows.mask[:, step].to(device), 0.0)
    return total
