"""LIME equals marcotcr/lime and Captum on the same network, segments and masks."""

import inspect
from collections.abc import Callable, Iterator
from functools import partial

import jax
import numpy as np
import pytest
import torch
from captum import attr as captum
from captum._utils.models.linear_model import SkLearnLasso
from lime import lime_image

from jaxens.attribution.lime import lime_from_draws
from jaxens.attribution.lime_variants import VARIANTS
from jaxens.attribution.segments import grid
from jaxens.targets import Contrast
from tests.attribution import cnn
from tests.reference import networks, twins

IMAGES = 2
TARGETS = {
    "one class": 2,
    "a class for each image": np.array([4, 1]),
    "a contrast": Contrast(3, 1),
}
CASES = [
    ("plain CNN", 3, "one class"),
    ("plain CNN", 1, "a class for each image"),
    ("plain CNN", 4, "a contrast"),
    ("ResNet", 3, "a class for each image", (13, 9)),
    ("ResNet", 3, "a contrast"),
    ("VGG", 3, "one class"),
    ("VGG", 3, "a contrast"),
]


class Pair:
    """The network on both sides, images and segments for it, and what to explain."""

    def __init__(
        self, network: str, channels: int, targets: str, size: tuple[int, int] = (10, 14)
    ) -> None:
        self.images = cnn.sample_images(IMAGES, channels, size=size)
        self.segments = np.stack([grid(*size, 3), grid(*size, 3)[::-1]])
        self.targets = TARGETS[targets]
        pair = networks.network(network, channels)
        self.net, self.logits_fn = pair.net, pair.logits_fn()

    def ours(self, variant: str, masks: np.ndarray, **settings: object) -> np.ndarray:
        explain = partial(lime_from_draws, self.logits_fn, variant=variant, **settings)
        return np.array(jax.jit(explain)(self.images, self.targets, self.segments, masks))

    def explained(self, outputs: torch.Tensor, image: int) -> torch.Tensor:
        """What is explained of one image's samples [sample, class], as the only output."""
        if isinstance(self.targets, Contrast):
            chosen = outputs[:, self.targets.target] - outputs[:, self.targets.against]
        else:
            chosen = outputs[:, np.broadcast_to(self.targets, IMAGES)[image]]
        return chosen[:, None]


@pytest.fixture(params=CASES, ids=lambda case: ", ".join(map(str, case)), scope="module")
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(*request.param)


def random_masks(samples: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 2, (IMAGES, samples, 9)).astype(bool)


def assert_equal(ours: np.ndarray, theirs: list[np.ndarray]) -> None:
    """Relative to the image's largest weight."""
    for our_map, their_map in zip(ours, theirs, strict=True):
        assert np.abs(their_map).max() > 1e-3
        assert np.abs(our_map - their_map).max() < 1e-4 * np.abs(their_map).max()


class Masks(np.random.RandomState):
    """Lets marcotcr/lime draw our masks."""

    def __init__(self, masks: np.ndarray) -> None:
        super().__init__(0)
        self.masks = masks

    def randint(self, low: int, high: int, size: int) -> np.ndarray:
        assert (low, high, size) == (0, 2, self.masks.size)
        return self.masks.astype(int).ravel()


def marcotcr(pair: Pair, image: int, masks: np.ndarray, fill: float | None) -> np.ndarray:
    def classifier(images: np.ndarray) -> np.ndarray:
        logits = pair.net(twins.to_torch(images.astype(np.float32)))
        return pair.explained(logits.softmax(dim=1), image).detach().numpy()

    segments = pair.segments[image]
    explanation = lime_image.LimeImageExplainer(random_state=Masks(masks)).explain_instance(
        pair.images[image].astype(float),
        classifier,
        labels=(0,),
        top_labels=None,
        hide_color=fill,
        num_samples=len(masks),
        segmentation_fn=lambda _: segments,
        random_seed=0,
    )
    return np.vectorize(dict(explanation.local_exp[0]).get)(segments)


@pytest.mark.parametrize("fill", [None, 0.2])
def test_marcotcr(pair: Pair, fill: float | None) -> None:
    if fill is None and pair.images.shape[-1] != 3:
        fill = 0.0  # marcotcr/lime takes mean colors of three channels alone
    masks = random_masks(60)
    masks[:, 0] = True
    theirs = [marcotcr(pair, image, masks[image], fill) for image in range(IMAGES)]
    assert_equal(pair.ours("marcotcr", masks, fill=fill), theirs)


def in_turn(masks: np.ndarray) -> Callable[..., Iterator[torch.Tensor]]:
    """Our masks, as a generator of Captum's."""

    def perturb(_: torch.Tensor, **settings: object) -> Iterator[torch.Tensor]:
        assert settings["num_interp_features"] == masks.shape[1]
        for mask in masks:
            yield torch.as_tensor(mask)[None].long()

    return perturb


def captums(pair: Pair, image: int, masks: np.ndarray, **settings: object) -> np.ndarray:
    explainer = captum.Lime(
        lambda images: pair.explained(pair.net(images), image),
        # Captum's default, solved to the end.
        interpretable_model=SkLearnLasso(alpha=0.01, tol=1e-6, max_iter=10_000),
        perturb_func=in_turn(masks),
    )
    maps = explainer.attribute(
        twins.to_torch(pair.images[image : image + 1]),
        target=0,
        feature_mask=torch.as_tensor(pair.segments[image].copy())[None, None].long(),
        n_samples=len(masks),
        **settings,
    )
    return twins.from_torch(maps)[0, ..., 0]


@pytest.mark.parametrize(("samples", "fill"), [(25, None), (60, 0.2)])
def test_captum(pair: Pair, samples: int, fill: float | None) -> None:
    masks = random_masks(samples)
    settings = {} if fill is None else {"baselines": fill}
    theirs = [captums(pair, image, masks[image], **settings) for image in range(IMAGES)]
    assert_equal(pair.ours("captum", masks, fill=fill), theirs)


def test_the_forms_have_the_references_numbers_of_samples() -> None:
    theirs = inspect.signature(captum.Lime.attribute).parameters["n_samples"].default
    assert VARIANTS["captum"].samples == theirs
    explain = lime_image.LimeImageExplainer.explain_instance
    assert (
        VARIANTS["marcotcr"].samples == inspect.signature(explain).parameters["num_samples"].default
    )
