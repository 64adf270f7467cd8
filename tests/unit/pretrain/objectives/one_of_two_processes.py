"""One process of a contrastive step that two take: python one_of_two_processes.py RANK FOLDER.

Writes the loss and the gradients of the whole batch, worked out alone; and its share of the loss,
and the gradients that both processes have summed, worked out together.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import distributed

from earmark.pretrain.encoders.base import Encoded
from earmark.pretrain.objectives.config import ContrastiveConfig
from earmark.pretrain.objectives.contrastive import ContrastiveObjective
from earmark.pretrain.text.config import TextModelConfig, TokenizerSpec
from earmark.pretrain.text.tokenizer import build_tokenizer_spec
from earmark.records import Example

TEXTS = (
    *("A dog barks.", "Rain falls on a roof.", "A piano plays."),
    *("A dog barks.", "Somebody speaks for a long while."),
)
"""The first and the fourth are equal, and lie in different processes."""
SHARES = (range(2), range(2, 5))
MODEL = TextModelConfig(size="mini", bpe_size=300, max_tokens=16, dropout=0.0)
CONFIGS = {
    "infonce": ContrastiveConfig(model=MODEL, dim=8, learn_temperature=True),
    "siglip": ContrastiveConfig(model=MODEL, dim=8, loss="siglip"),
}


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    words = build_tokenizer_spec([(text,) for text in TEXTS], MODEL)
    whole = {name: share_of_step(name, words, range(5)) for name in CONFIGS}
    store = distributed.FileStore(str(folder / "store"), 2)
    distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    shared = {name: share_of_step(name, words, SHARES[rank]) for name in CONFIGS}
    torch.save((whole, shared), folder / f"{rank}.pt")
    distributed.destroy_process_group()


def share_of_step(
    name: str, words: TokenizerSpec, rows: range
) -> tuple[float, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    objective = ContrastiveObjective(CONFIGS[name], 4, words, pretrained=False)
    network = torch.nn.Linear(3, 4)
    heard = torch.randn(5, 6, 3)
    mask = torch.arange(6) < torch.tensor([6, 3, 4, 2, 5]).unsqueeze(1)
    chosen = slice(rows.start, rows.stop)
    targets = objective.targets([example(TEXTS[row]) for row in rows], [0] * len(rows))
    loss = objective(Encoded(network(heard[chosen]), mask[chosen]), targets)
    share = loss.total * loss.weight / 5
    share.backward()
    named = [*network.named_parameters(prefix="network"), *objective.named_parameters()]
    gradients = {name: parameter.grad for name, parameter in named}
    if distributed.is_initialized():
        for gradient in gradients.values():
            distributed.all_reduce(gradient)
    return share.item(), gradients


def example(summary: str) -> Example:
    return Example(
        id="",
        path="",
        name="",
        duration_s=1.0,
        split="train",
        recording=None,
        speaker=None,
        tags=(),
        tag_ids=(),
        caption="",
        summary=summary,
        labels={},
    )


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
