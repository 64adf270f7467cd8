from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional

from earmark.evaluate.probes.attentive import AttentivePoolingClassifier


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def classifier(dim: int, heads: int) -> AttentivePoolingClassifier:
    generator = torch.Generator().manual_seed(0)
    model = AttentivePoolingClassifier(dim, 3, heads, generator)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


def test_it_is_multi_head_attention_with_one_query() -> None:
    model = classifier(12, 4)
    frames, mask = torch.randn(5, 7, 12, generator=torch.Generator().manual_seed(1)), masks(5, 7)
    keys = torch.einsum("btd,hwd->bhtw", frames, model.key)
    values = torch.einsum("btd,hwd->bhtw", frames, model.value)
    query = model.query[None, :, None].expand(5, -1, -1, -1)
    heard = functional.scaled_dot_product_attention(
        query, keys, values, attn_mask=mask[:, None, None, :]
    )
    expected = model.output(heard[:, :, 0].flatten(1))
    assert torch.allclose(model(frames, mask), expected, atol=1e-5)


def masks(clips: int, frames: int) -> torch.Tensor:
    lengths = torch.arange(clips) % frames + 1
    return torch.arange(frames) < lengths[:, None]


def test_padding_changes_nothing() -> None:
    model = classifier(10, 4)
    frames, mask = torch.randn(5, 7, 10), masks(5, 7)
    louder = torch.where(mask[:, :, None], frames, torch.tensor(100.0))
    assert torch.equal(model(frames, mask), model(louder, mask))
    alone = model(frames[:1, :1], mask[:1, :1])
    assert torch.allclose(alone, model(frames, mask)[:1], atol=1e-5)


def test_at_first_it_hears_the_mean_and_says_nothing() -> None:
    model = AttentivePoolingClassifier(3, 2, 8, torch.Generator().manual_seed(0))
    assert model.query.shape == (3, 1)
    frames, mask = torch.randn(4, 6, 3), torch.ones(4, 6, dtype=torch.bool)
    assert torch.equal(model(frames, mask), torch.zeros(4, 2))
    with torch.no_grad():
        model.output.weight.fill_(1.0)
    mean = frames.mean(dim=1, keepdim=True)
    assert torch.allclose(model(frames, mask), model(mean, mask[:, :1]), atol=1e-5)
