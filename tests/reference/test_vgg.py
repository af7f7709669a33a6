"""VGG16 against PyTorch, with the same random weights."""

import jax
import numpy as np
import pytest
import torch

from jaxens.benchmarks.torch_models import VGG16 as TorchVGG16
from jaxens.models import VGG, from_state_dict
from jaxens.models.vgg import adaptive_average_pool
from tests.attribution.cnn import sample_images
from tests.models import state_dicts
from tests.models.material import relative_error, shapes_of
from tests.reference.randomize import randomize
from tests.reference.twins import to_torch

pytestmark = pytest.mark.slow

TASKS = (("species", 5),)
HIDDEN = 64


@pytest.fixture(scope="module", params=["vgg16-full", "vgg16-bn-full"])
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def theirs(name: str) -> TorchVGG16:
    model = TorchVGG16(5, HIDDEN, batch_norm="bn" in name).eval()
    randomize(model)
    return model


@pytest.fixture(scope="module")
def full(name: str, theirs: TorchVGG16) -> tuple[VGG, dict]:
    model = VGG(TASKS, batch_norm="bn" in name, full_classifier=True, hidden=HIDDEN)
    state = {name: tensor.numpy() for name, tensor in theirs.state_dict().items()}
    return model, from_state_dict(name, state, shapes_of(model))


@pytest.mark.parametrize(("height", "width"), [(32, 32), (64, 48)])
def test_features_and_logits_equal_pytorchs(
    full: tuple[VGG, dict], theirs: TorchVGG16, height: int, width: int
) -> None:
    model, variables = full
    images = sample_images(2, size=(height, width))
    with torch.no_grad():
        before_last_pool = theirs.features[:-1](to_torch(images)).permute(0, 2, 3, 1).numpy()
        logits = theirs(to_torch(images)).numpy()
    features = jax.jit(lambda v, x: model.apply(v, x, method="features"))(variables, images)
    assert features.shape == (2, height // 16, width // 16, 512)
    assert relative_error(features, before_last_pool) < 1e-4
    head = model.apply(variables, features, method="head")
    assert relative_error(head["species"], logits) < 1e-4


def test_the_full_head_equals_pytorchs_where_the_pool_is_uneven(
    full: tuple[VGG, dict], theirs: TorchVGG16
) -> None:
    """Features of a 272x240 image: pooled to 8x7, then averaged to 7x7."""
    model, variables = full
    features = np.random.default_rng(1).normal(size=(2, 17, 15, 512)).astype(np.float32)
    with torch.no_grad():
        pooled = theirs.avgpool(theirs.features[-1](to_torch(features)))
        logits = theirs.classifier(torch.flatten(pooled, 1)).numpy()
    head = model.apply(variables, features, method="head")
    assert relative_error(head["species"], logits) < 1e-4


def test_timms_classifier_of_convolutions_gives_the_same_logits() -> None:
    tensors = state_dicts.timm_vgg16(5, HIDDEN)
    model = VGG(TASKS, full_classifier=True, hidden=HIDDEN)
    variables = from_state_dict("vgg16-full", tensors, shapes_of(model))
    features = np.random.default_rng(1).normal(size=(2, 14, 14, 512)).astype(np.float32)
    weights = {name: torch.from_numpy(tensor) for name, tensor in tensors.items()}
    x = torch.nn.functional.max_pool2d(to_torch(features), 2)
    for layer in ("pre_logits.fc1", "pre_logits.fc2"):
        x = torch.conv2d(x, weights[f"{layer}.weight"], weights[f"{layer}.bias"]).relu()
    logits = x.flatten(1) @ weights["head.fc.weight"].T + weights["head.fc.bias"]
    head = model.apply(variables, features, method="head")
    assert relative_error(head["species"], logits.numpy()) < 1e-4


@pytest.mark.parametrize("shape", [(1, 2), (7, 7), (8, 5), (13, 14), (16, 30)])
def test_adaptive_average_pool_equals_pytorchs(shape: tuple[int, int]) -> None:
    x = np.random.default_rng(2).normal(size=(2, *shape, 3)).astype(np.float32)
    expected = torch.nn.functional.adaptive_avg_pool2d(to_torch(x), 7).permute(0, 2, 3, 1)
    np.testing.assert_allclose(adaptive_average_pool(x, 7), expected.numpy(), atol=1e-6)
