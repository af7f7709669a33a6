"""The vision transformer that is measured is the same function in JAX and in PyTorch."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from jaxens.benchmarks import captum_side, network, torch_side, vit
from jaxens.benchmarks.vit import ViT, ViTSubject
from tests.commands.benchmarks import printed_and_kept, shorten

pytestmark = pytest.mark.long
VARIANTS = torch_side.variants(cuda=False)


class Perturbed(ViTSubject):
    """Its variables have no zeros and ones, so that each of them matters."""

    def networks(self) -> list[Any]:
        rng = np.random.default_rng(0)

        def perturb(leaf: Any) -> np.ndarray:
            return np.asarray(leaf + rng.normal(0, 0.2, leaf.shape), np.float32)

        return [jax.tree.map(perturb, variables) for variables in super().networks()]


@pytest.fixture(scope="module")
def subject() -> ViTSubject:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vit, "ViT", partial(ViT, width=24, depth=2, heads=3, hidden=40))
        return Perturbed.make(48, 2, "float32")


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_logits_and_gradients_are_pytorchs(
    subject: ViTSubject, variant: torch_side.Variant
) -> None:
    (variables,) = subject.networks()
    weights = np.random.default_rng(1).normal(size=18).astype(np.float32)
    logits, vjp = jax.vjp(subject.functions(variables)["logits_fn"], subject.images)
    (gradient,) = vjp(np.broadcast_to(weights, logits.shape))

    members = torch_side.Members(subject, variant)
    (net,), images = members.nets, members.images.requires_grad_()
    theirs = net.eval()(images)
    (theirs * torch.from_numpy(weights)).sum().backward()
    pairs = ((theirs.detach(), logits), (images.grad.permute(0, 2, 3, 1), gradient))
    for values, expected in pairs:
        np.testing.assert_allclose(values, expected, atol=1e-4 * np.abs(expected).max(), rtol=0)


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient", "integrated_gradients"])
def test_maps_are_captums(subject: ViTSubject, method: str) -> None:
    (side, _) = captum_side.explaining_sides(subject, [method]).values()
    expected = side().numpy()[0]
    for ours in network.our_sides(subject, method).values():
        np.testing.assert_allclose(ours(), expected, atol=1e-3 * np.abs(expected).max(), rtol=0)


def test_vit_s_has_the_weights_and_the_flop_of_the_paper() -> None:
    """DeiT-S has 22 million weights and 4.6 GMAC, with a class token and 1000 classes."""
    whole = ViTSubject.make(224, 1, "float32")
    shapes = jax.eval_shape(whole.model.init, jax.random.key(0), whole.images)
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 22_050_664 - 384 * 2 - 982 * 385
    assert whole.work.forward == pytest.approx(2 * 4.6e9, rel=0.01)


def test_flop_are_those_that_pytorch_counts(subject: ViTSubject) -> None:
    (variables,) = subject.networks()
    net = subject.twin(variables).to("meta")
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 3, 48, 48, device="meta"))
    assert subject.work.forward == counter.get_total_flops()
    assert subject.work.first == counter.get_flop_counts()["ViT.embed"][torch.ops.aten.convolution]


def test_it_is_measured_next_to_captum_and_lime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(monkeypatch)
    monkeypatch.setattr(vit, "ViT", partial(ViT, width=12, depth=1))
    arguments = ["network", "--model", "vit-s", "--image-size", "16", "--images", "1"]
    methods = ["--rounds", "1", "--methods", "gradient_shap", "lime", "--against", "torch"]
    rows = printed_and_kept([*arguments, *methods], tmp_path / "out")
    measured = {(row["what"], row["by"]) for row in rows}
    assert len(measured) == 8
    assert {("gradient_shap", "Captum"), ("lime", "marcotcr/lime, channels_last")} < measured
