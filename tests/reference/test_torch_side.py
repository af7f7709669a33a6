"""PyTorch is timed on the same work: it gives the same logits, losses and maps."""

from typing import Any

import jax
import numpy as np
import pytest
import torch

from jaxens.benchmarks import captum_side, explain, lime_side, network, steps, torch_side
from jaxens.benchmarks.results import JAXENS
from jaxens.benchmarks.subject import CLASSES, TASK, Subject, member
from jaxens.benchmarks.torch_models import TWINS
from jaxens.benchmarks.torch_weights import state_dict
from jaxens.errors import UserError

pytestmark = pytest.mark.long

VARIANTS = torch_side.variants(cuda=False)


def subject(model: str = "small", **settings: Any) -> Subject:
    default = {"members": 2, "image_size": 32, "batch_size": 4, "dtype": "float32"}
    return Subject.make(model, **default | settings)


def perturbed(variables: Any) -> Any:
    """Variables without zeros and ones, batch statistics included."""
    rng = np.random.default_rng(0)

    def perturb(leaf: Any) -> np.ndarray:
        noise = rng.uniform(0.7, 1.3, leaf.shape).astype(np.float32)
        return (np.asarray(leaf) + np.float32(0.05)) * noise

    return jax.tree.map(perturb, variables)


@pytest.mark.parametrize("name", TWINS)
def test_logits_with_the_same_weights_are_equal(name: str) -> None:
    ours = subject(name, members=1).with_convolutions(jax.lax.conv_general_dilated)
    variables = perturbed(member(ours.state().variables, 0))
    expected = jax.jit(ours.model.apply)(variables, ours.images)[TASK.name]
    theirs = TWINS[name](CLASSES).eval()
    missing, unexpected = theirs.load_state_dict(state_dict(name, variables), strict=False)
    assert all(key.endswith("num_batches_tracked") for key in missing)
    assert not unexpected
    with torch.no_grad():
        logits = theirs(torch.from_numpy(np.array(ours.images)).permute(0, 3, 1, 2)).numpy()
    np.testing.assert_allclose(logits, expected, atol=2e-4 * np.abs(expected).max())


@pytest.fixture(scope="module")
def losses() -> np.ndarray:
    """Our losses in four steps, [step, member]."""
    trained = steps.together(subject())
    return np.concatenate([trained.call() for _ in range(4)])


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_losses_in_training_are_equal(variant: torch_side.Variant, losses: Any) -> None:
    step = torch_side.Members(subject(), variant).training()
    theirs = np.stack([step().numpy() for _ in range(len(losses))])
    np.testing.assert_allclose(theirs, losses, rtol=2e-4)
    assert np.ptp(losses, axis=0).min() > 1e-3  # the losses change


RANDOM = ("gradient_shap", "smooth_grad")  # draw samples
METHODS = [method for method in explain.METHODS if method not in RANDOM]


@pytest.fixture(scope="module")
def maps() -> dict[str, np.ndarray]:
    maps = explain.jaxens_sides(subject(), METHODS)[explain.TOGETHER, JAXENS]()
    return {method: np.asarray(values) for method, values in maps.items()}


@pytest.fixture(scope="module")
def theirs() -> dict:
    return captum_side.explaining_sides(subject(), [*METHODS, *RANDOM])


@pytest.mark.parametrize("method", METHODS)
def test_captum_gives_the_same_maps(method: str, maps: dict, theirs: dict) -> None:
    sides = {by: side for (what, by), side in theirs.items() if what == method}
    assert len(sides) == len(VARIANTS)
    for side in sides.values():
        expected = maps[method]
        np.testing.assert_allclose(side().numpy(), expected, atol=1e-3 * np.abs(expected).max())


def test_random_methods_have_a_map_for_each_member_and_image(theirs: dict) -> None:
    for (method, _), side in theirs.items():
        if method in RANDOM:
            values = side().numpy()
            assert values.shape == (2, 4, 32, 32)
            assert np.isfinite(values).all()
            assert values.any()


def test_integrated_gradients_do_not_depend_on_the_chunk(
    monkeypatch: pytest.MonkeyPatch, maps: dict, theirs: dict
) -> None:
    monkeypatch.setitem(captum_side.CHUNK, "cpu", 8)  # of 64 px, so 32 of these
    (side, *_) = [s for (method, _), s in theirs.items() if method == "integrated_gradients"]
    expected = maps["integrated_gradients"]
    np.testing.assert_allclose(side().numpy(), expected, atol=1e-3 * np.abs(expected).max())


def test_pytorch_without_cuda_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_side, "on_cpu", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match="PyTorch can only use the CPU: install its CUDA build"):
        torch_side.device()


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_lime_gets_the_same_probabilities(variant: torch_side.Variant) -> None:
    one = subject(members=1).with_convolutions(jax.lax.conv_general_dilated)
    logits = one.model.apply(member(one.state().variables, 0), one.images)[TASK.name]
    members = torch_side.Members(one, variant)
    members.nets[0].eval()
    values = lime_side.probabilities(members, np.asarray(one.images))
    np.testing.assert_allclose(values, jax.nn.softmax(logits), rtol=1e-4)


def test_one_network_has_the_same_maps_with_xlas_convolutions_and_accelerated() -> None:
    one = subject(members=1)
    plain = one.with_convolutions(jax.lax.conv_general_dilated)
    for method in ("saliency", "grad_cam", "integrated_gradients"):
        maps = {by: np.asarray(side()) for by, side in network.our_sides(plain, method).items()}
        (side, *_) = captum_side.explaining_sides(plain, [method]).values()
        expected = side().numpy()[0]
        for values in maps.values():
            np.testing.assert_allclose(values, expected, atol=2e-3 * np.abs(expected).max())
