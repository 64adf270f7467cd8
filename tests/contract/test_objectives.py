"""What every objective must do, whatever it asks of an encoder."""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from earmark.annotate.vocabulary import Vocabulary, VocabularyConfig
from earmark.annotate.vocabulary.build import build_vocabulary
from earmark.pretrain.build import build_encoder, build_objective
from earmark.pretrain.encoders.base import Encoded, Encoder
from earmark.pretrain.encoders.config import TransformerConfig, ZipformerConfig, ZipformerShape
from earmark.pretrain.objectives.base import Loss, Objective
from earmark.pretrain.objectives.config import (
    CaptioningConfig,
    ContrastiveConfig,
    MultitaskConfig,
    ObjectiveConfig,
    TagsConfig,
    TagsParallelConfig,
)
from earmark.pretrain.objectives.multitask import MultitaskObjective
from earmark.pretrain.objectives.targets import collect_target_specs
from earmark.pretrain.seeds import derive_seed
from earmark.pretrain.text.config import TextModelConfig
from earmark.records import Example
from factories import new_example

torch.set_num_threads(1)

DIM = 8
TAGS = [["dog", "bark"], ["rain", "wind"], ["piano"], ["dog", "rain"], ["speech", "bark"]]
SUMMARIES = [
    "A dog barks.",
    "Rain falls in the wind, and goes on for a while.",
    "Somebody plays the piano.",
    "A dog barks while rain falls.",
    "A woman speaks of dogs that bark.",
]
TEXT = TextModelConfig(size="mini", bpe_size=300, max_tokens=40, dropout=0.0)
CONTRASTIVE = ContrastiveConfig(model=TEXT, dim=16)
CAPTIONING = CaptioningConfig(model=TEXT, label_smoothing=0.0, parallel=0.5)
PARALLEL = TagsParallelConfig(model=TEXT, label_smoothing=0.0, queries="target")
KINDS: dict[str, ObjectiveConfig] = {
    "tags": TagsConfig(),
    "tags-parallel": PARALLEL,
    "contrastive": CONTRASTIVE,
    "captioning": CAPTIONING,
    "multitask": MultitaskConfig(parts=(TagsConfig(), CAPTIONING), weights=(1.0, 0.5)),
}
OBJECTIVES: dict[str, ObjectiveConfig] = KINDS | {
    "tags, focal": TagsConfig(loss="focal"),
    "tags, asymmetric": TagsConfig(loss="asymmetric", gamma=4.0, gamma_present=1.0),
    "tags of a label field": TagsConfig(label="audioset"),
    "tags-parallel, fixed queries": TagsParallelConfig(
        model=TEXT, label_smoothing=0.0, queries="fixed"
    ),
    "tags-parallel of a label field": TagsParallelConfig(
        model=TEXT, label_smoothing=0.0, label="audioset"
    ),
    "contrastive, temperature learnt": ContrastiveConfig(
        model=TEXT, dim=16, learn_temperature=True
    ),
    "contrastive, siglip": ContrastiveConfig(model=TEXT, dim=16, loss="siglip"),
    "contrastive, original captions": ContrastiveConfig(model=TEXT, dim=16, text="original"),
    "captioning, word by word": CaptioningConfig(model=TEXT, label_smoothing=0.0, parallel=0.0),
    "captioning, all at once": CaptioningConfig(model=TEXT, label_smoothing=0.0, parallel=1.0),
    "captioning, fixed queries": CaptioningConfig(
        model=TEXT, label_smoothing=0.0, parallel=0.5, queries="fixed"
    ),
    "captioning, original captions": CaptioningConfig(
        model=TEXT, label_smoothing=0.0, text="original"
    ),
    "multitask, weights learnt": MultitaskConfig(
        parts=(TagsConfig(), CONTRASTIVE, TagsConfig(label="audioset")),
        weights=(1.0, 0.5, 2.0),
        learn_weights=True,
    ),
}

LEARNING = (
    *KINDS,
    "tags, focal",
    "tags, asymmetric",
    "tags-parallel, fixed queries",
    "contrastive, siglip",
    "multitask, weights learnt",
)
"""Those that are taught until nothing is left of their loss."""
STEPS, NEAR_ZERO = 400, 0.05
BINS = 24


def transformer() -> Encoder:
    config = TransformerConfig(
        mel_bins=BINS, dim=DIM, layers=2, heads=2, stem_channels=(4, 4), dropout=0.0
    )
    return moved(build_encoder(config))


def zipformer() -> Encoder:
    shape = ZipformerShape(
        layers=(1, 1),
        dims=(16, 24),
        feed_forward_dims=(24, 24),
        heads=(2, 2),
        query_head_dim=4,
        value_head_dim=4,
        position_head_dim=2,
        position_dim=8,
        kernels=(7, 7),
        downsampling=(1, 2),
    )
    return moved(build_encoder(ZipformerConfig(shape=shape, mel_bins=BINS, dropout=0.0))).eval()


def moved(encoder: Encoder) -> Encoder:
    """Blocks may start out adding nothing, and nothing would come back through them."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return encoder


def clip(number: int, tags: Sequence[str], summary: str) -> Example:
    kept, ids = VOCABULARY.encode(tags)
    return new_example(
        id=str(number),
        path=f"{number}.wav",
        name=f"{number}.wav",
        tags=kept,
        tag_ids=ids,
        caption=f"{summary} It is loud.",
        summary=summary,
        original_captions=(f"{summary} Once.", f"{summary} Twice."),
        labels={"audioset": (f"/m/{tags[0]}",)},
    )


def vocabulary() -> Vocabulary:
    return build_vocabulary(TAGS, VocabularyConfig(size=10, min_df=1))


VOCABULARY = vocabulary()
EXAMPLES = [clip(n, *given) for n, given in enumerate(zip(TAGS, SUMMARIES, strict=True))]


def seeds(count: int, step: int = 0) -> list[int]:
    return [derive_seed(step, number) for number in range(count)]


def build(config: ObjectiveConfig, examples: Sequence[Example] = EXAMPLES, **how: Any):
    materials = collect_target_specs(examples, VOCABULARY, config)
    return build_objective(config, materials, **({"dim": DIM, "seed": 1} | how))


@pytest.fixture(params=OBJECTIVES, scope="module")
def config(request: pytest.FixtureRequest) -> ObjectiveConfig:
    return OBJECTIVES[request.param]


@pytest.fixture
def objective(config: ObjectiveConfig) -> Objective[Any]:
    return build(config)


def targets_of(objective: Objective[Any]) -> Any:
    return objective.targets(EXAMPLES, seeds(len(EXAMPLES)))


def encoded(*, grad: bool = False, behind: float = 0.0) -> Encoded:
    generator = torch.Generator().manual_seed(3)
    clips = len(EXAMPLES)
    frames = torch.randn(clips, 7, DIM, generator=generator)
    mask = torch.arange(7) < torch.arange(3, 3 + clips).clamp(max=7).unsqueeze(1)
    frames = frames.masked_fill(~mask.unsqueeze(-1), behind)
    return Encoded(frames.requires_grad_(grad), mask)


def test_the_loss_is_a_finite_scalar_that_reaches_frames_and_parameters(
    objective: Objective[Any],
) -> None:
    given = encoded(grad=True)
    loss = objective(given, targets_of(objective))
    assert loss.total.shape == ()
    assert torch.isfinite(loss.total)
    assert loss.weight > 0
    loss.total.backward()
    assert given.frames.grad is not None
    assert (given.frames.grad[given.mask].abs().sum(dim=-1) > 0).all()
    for name, parameter in objective.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert not any(part.requires_grad for part in loss.parts.values())


def test_padded_frames_do_not_matter(objective: Objective[Any]) -> None:
    objective.eval()
    targets = targets_of(objective)
    first = objective(encoded(), targets).total
    second = objective(encoded(behind=99.0), targets).total
    torch.testing.assert_close(first, second)


def test_targets_travel_between_processes_and_follow_from_the_seeds(
    objective: Objective[Any],
) -> None:
    objective.eval()
    given = targets_of(objective)
    losses = [
        objective(encoded(), targets).total
        for targets in (given, pickle.loads(pickle.dumps(given)), targets_of(objective))
    ]
    assert losses[0] == losses[1] == losses[2]


def test_measure_names_its_scores_and_goes_through_batches_once(
    objective: Objective[Any],
) -> None:
    objective.eval()
    given, whole = encoded(), targets_of(objective)
    halves = [
        (
            Encoded(given.frames[part], given.mask[part]),
            objective.targets(EXAMPLES[part], seeds(len(EXAMPLES))[part]),
        )
        for part in (slice(2), slice(2, None))
    ]
    with torch.inference_mode():
        scores = objective.measure(iter(halves))
        at_once = objective.measure(iter([(given, whole)]))
        nothing = objective.measure(iter([]))
    assert {"loss", objective.selects} <= set(scores)
    assert all(isinstance(value, float) for value in scores.values())
    assert scores == pytest.approx(at_once, rel=1e-4, abs=1e-5, nan_ok=True)
    assert math.isnan(nothing["loss"])


def test_fresh_weights_follow_from_the_seed_alone(config: ObjectiveConfig) -> None:
    first, second, other = (build(config, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("name", LEARNING)
def test_it_learns_a_tiny_corpus(name: str) -> None:
    """From frames that may become anything: whatever loss is left would be the objective's."""
    objective, given = build(OBJECTIVES[name]), encoded()
    frames = nn.Parameter(given.frames.clone())
    optimizer = torch.optim.Adam(
        [{"params": [frames], "lr": 0.3}, {"params": objective.parameters(), "lr": 1e-3}]
    )
    targets = targets_of(objective)
    lowest = math.inf
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = objective(Encoded(frames, given.mask), targets)
        lowest = min(lowest, largest_part(objective, loss))
        if lowest < NEAR_ZERO:
            return
        loss.total.backward()
        optimizer.step()
    pytest.fail(f"after {STEPS} steps the loss is still {lowest:.3f}")


def largest_part(objective: Objective[Any], loss: Loss) -> float:
    """Learnt weights add to the total what is no loss: of several objectives the worst counts."""
    if isinstance(objective, MultitaskObjective):
        return max(float(loss.parts[name]) for name in objective.names)
    return float(loss.total.detach())


@pytest.mark.parametrize("encoder", [transformer, zipformer])
@pytest.mark.parametrize("kind", KINDS)
def test_its_gradient_reaches_every_parameter_of_an_encoder(
    kind: str, encoder: Callable[[], Encoder]
) -> None:
    model = encoder()
    objective = build(KINDS[kind], dim=model.dim)
    generator = torch.Generator().manual_seed(5)
    features = torch.randn(len(EXAMPLES), 90, BINS, generator=generator)
    given = model.forward_features(features, torch.tensor([90, 80, 70, 60, 50]))
    objective(given, targets_of(objective)).total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


KINDS_OF_SOUND = (["dog", "bark"], "A dog barks."), (["rain", "wind"], "It rains.")
SPECTRUM = 64


def sounds(count: int, seed: int) -> tuple[Tensor, np.ndarray]:
    """Return log spectra of two kinds of sound in turn, and which kind each is.

    Clips differ everywhere, and from kind to kind along one direction of 64 only: few directions
    taken blindly miss it.
    """
    rng = np.random.default_rng(seed)
    direction = np.random.default_rng(0).normal(size=SPECTRUM)
    direction /= np.linalg.norm(direction)
    kinds = np.arange(count) % 2
    spectra = rng.normal(size=(count, 1, SPECTRUM)) + rng.normal(size=(count, 16, SPECTRUM))
    spectra -= (spectra @ direction)[..., None] * direction
    told = 2.0 * kinds - 1.0 + 0.3 * rng.normal(size=count)
    spectra += told[:, None, None] * direction
    return torch.tensor(spectra, dtype=torch.float32), kinds


def listen(network: nn.Module, spectra: Tensor) -> Encoded:
    return Encoded(network(spectra), torch.ones(spectra.shape[:2], dtype=torch.bool))


def pretrained(config: ObjectiveConfig, order: np.ndarray, spectra: Tensor) -> nn.Module:
    """Return three directions of the spectrum, trained; clips get the targets of `order`."""
    clips = [clip(n, *KINDS_OF_SOUND[place % 2]) for n, place in enumerate(order)]
    torch.manual_seed(3)
    network = nn.Linear(SPECTRUM, 3)
    objective = build(config, clips, dim=3)
    optimizer = torch.optim.Adam(
        [
            {"params": network.parameters(), "lr": 3e-2},
            {"params": objective.parameters(), "lr": 2e-3},
        ]
    )
    for step in range(30):
        batch = np.random.default_rng(step).choice(len(clips), 32, replace=False)
        targets = objective.targets([clips[n] for n in batch], seeds(32, step))
        optimizer.zero_grad()
        objective(listen(network, spectra[batch]), targets).total.backward()
        optimizer.step()
    return network


def probe(network: nn.Module) -> float:
    """Return the accuracy on 400 new clips of a linear probe that was fitted to 200 others."""
    spectra, kinds = sounds(600, seed=2)
    with torch.inference_mode():
        vectors = listen(network, spectra).pooled().numpy()
    vectors = (vectors - vectors.mean(axis=0)) / vectors.std(axis=0)
    fitted = LogisticRegression().fit(vectors[:200], kinds[:200])
    return float(fitted.score(vectors[200:], kinds[200:]))


@pytest.mark.parametrize(
    "kind", [pytest.param(k, marks=[] if k == "tags" else [pytest.mark.slow]) for k in KINDS]
)
def test_shuffled_targets_teach_nothing(kind: str) -> None:
    """Half the clips are of either kind, and 400 coins fall on one side 65 % of the time never."""
    spectra, _ = sounds(256, seed=1)
    right = np.arange(len(spectra))
    shuffled = np.random.default_rng(1).permutation(right)
    assert probe(pretrained(KINDS[kind], right, spectra)) > 0.85
    assert probe(pretrained(KINDS[kind], shuffled, spectra)) < 0.65
