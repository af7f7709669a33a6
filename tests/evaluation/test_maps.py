"""The explainer gives each method its settings, and returns the maps of the ensemble."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens import attribution as attr
from jaxens.data.schema import Task
from jaxens.ensemble import Ensemble
from jaxens.errors import UserError
from jaxens.evaluation.maps import Explainer, check_model
from jaxens.evaluation.settings import MethodSettings, check_methods
from jaxens.models import build, normalized
from jaxens.models.small import SmallResNet

pytestmark = pytest.mark.slow

TASKS = (Task.multiclass("species", ("a", "b", "c")), Task.multilabel("marks", {"ring": ("eye",)}))
IMAGES = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
IDS = np.array([7, 100_000, 3])


@pytest.fixture(scope="module")
def ensemble():
    model = build("small", [("species", 3), ("marks", 1)])
    keys = jax.random.split(jax.random.key(0), 2)
    variables = jax.jit(jax.vmap(model.init, (0, None)))(keys, jnp.zeros((1, 16, 16, 3)))
    return Ensemble(model, variables, TASKS)


class SkippingHalves(SmallResNet):
    """A model that is not its two halves."""

    def __call__(self, images, train=False):
        return self.head(2 * self.features(images, train), train)


def test_the_functions_that_the_methods_need_are_checked(ensemble):
    check_model(ensemble, IMAGES, ["guided_grad_cam"], member=1)
    sizes = {name: getattr(ensemble.model, name) for name in ("tasks", "widths", "blocks")}
    other = replace(ensemble, model=SkippingHalves(**sizes))
    check_model(other, IMAGES, ["guided_backprop"])
    with pytest.raises(UserError, match=r"SkippingHalves cannot be explained: head_fn.* another"):
        check_model(other, IMAGES, ["grad_cam"])


def explainer(ensemble, **changed):
    few = {"steps": 2, "shap_samples": 2, "noise_samples": 2, "lime_samples": 30}
    settings = MethodSettings(member_images_at_once=8, superpixels="grid", **few, **changed)
    return Explainer(ensemble, 16, settings, IMAGES[:2])


def maps(explainer, method, targets, rows=slice(None), ids=IDS):
    by_method = explainer.maps([method], IMAGES[rows], ids[rows], targets, "species")
    assert list(by_method) == [method]
    return by_method[method]


@pytest.mark.parametrize("method", ["integrated_gradients", "gradient_shap", "lime", "smooth_grad"])
def test_a_map_depends_on_its_image_and_id_alone(ensemble, method):
    targets = np.array([2, 0, 1])
    ours = maps(explainer(ensemble), method, targets)
    assert ours.shape == (2, 3, 16, 16)
    order = [2, 0, 1]
    other = maps(explainer(ensemble, seed=0), method, targets[order], order)
    np.testing.assert_allclose(other, ours[:, order], atol=1e-5)
    if "key" in attr.METHODS[method].settings:
        elsewhere = maps(explainer(ensemble), method, targets, ids=IDS + 1)
        assert not np.allclose(elsewhere, ours, atol=1e-5)


@pytest.mark.parametrize("variant", ["marcotcr", "captum"])
def test_lime_from_weights_of_all_classes_is_lime_of_the_target(ensemble, variant):
    """A contrast too: a ridge is linear, and a lasso is fitted to the difference itself."""
    ours = explainer(ensemble, lime_variant=variant)
    segments = np.broadcast_to(attr.grid(16, 16, 7), (3, 16, 16))
    key = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(0), IDS)
    settings = {"segments": segments, "key": key, "samples": 30, "variant": variant}
    for targets in (np.array([2, 0, 1]), attr.Contrast(np.array([2, 0, 1]), np.array([0, 1, 0]))):
        expected = ensemble.attribute(IMAGES, targets, "lime", "species", **settings)
        np.testing.assert_allclose(maps(ours, "lime", targets), expected, atol=1e-5)


def test_methods_in_one_program_give_the_maps_of_each_one(ensemble, monkeypatch):
    programs = []
    explain = Ensemble.explain

    def counted(self, images, targets, methods, *task, **chunks):
        programs.append(list(methods))
        return explain(self, images, targets, methods, *task, **chunks)

    monkeypatch.setattr(Ensemble, "explain", counted)
    methods = ["saliency", "lime", "gradient_shap", "grad_cam"]
    targets = np.array([2, 0, 1])
    several = explainer(ensemble).maps(methods, IMAGES, IDS, targets, "species")
    assert programs == [["saliency", "gradient_shap", "grad_cam"]]
    assert several.keys() == set(methods)
    for method in methods:
        single = maps(explainer(ensemble), method, targets)
        np.testing.assert_allclose(several[method], single, atol=1e-5 * np.abs(single).max())


def test_one_pass_of_lime_serves_every_class_and_task(ensemble, monkeypatch):
    passes = []
    lime_weights = Ensemble.lime_weights
    monkeypatch.setattr(
        Ensemble, "lime_weights", lambda *a, **k: passes.append(1) or lime_weights(*a, **k)
    )
    ours = explainer(ensemble)
    for task in TASKS:
        for target in range(len(task.classes)):
            ours.maps(["lime"], IMAGES, IDS, target, task.name)
    assert len(passes) == len(IMAGES)


def test_the_reduction_reaches_methods_that_have_channels(ensemble):
    for method in ("saliency", "grad_cam"):
        usual = maps(explainer(ensemble), method, 0)
        other = maps(explainer(ensemble, reduce="sum_abs"), method, 0)
        assert np.allclose(usual, other) == (method == "grad_cam")


@pytest.mark.parametrize(
    "methods",
    [["saliency"], ["integrated_gradients"], ["saliency", "smooth_grad"], ["lime"]],
    ids=str,
)
@pytest.mark.parametrize("at_once", [1, 11, 256, 8192])
def test_no_call_of_the_model_holds_more_images_than_allowed(ensemble, methods, at_once):
    settings = MethodSettings(member_images_at_once=at_once)
    images, chunk = Explainer(ensemble, 16, settings).chunks(methods)
    assert images >= 1
    assert chunk >= 1
    passes = max(map(settings.passes, methods))
    least = -(-passes // 16)  # a 16th of the steps or samples
    assert ensemble.members * images * min(chunk, passes) <= max(at_once, ensemble.members * least)


@pytest.mark.parametrize("methods", [["integrated_gradients", "saliency"], ["lime"]])
def test_few_images_at_once_do_not_compile_hundreds_of_calls(ensemble, methods):
    """Each call that a program holds takes memory to compile, more than a small call saves."""
    settings = MethodSettings(member_images_at_once=1, steps=200, lime_samples=1000)
    images, chunk = Explainer(ensemble, 16, settings).chunks(methods)
    passes = max(map(settings.passes, methods))
    assert images == 1
    assert -(-passes // chunk) <= 16


def test_a_method_that_joins_the_table_gets_what_its_row_says(ensemble, monkeypatch):
    def contrast(logits_fn, images, targets, *, baselines, samples=1):
        return samples * images - jnp.mean(baselines, axis=0, keepdims=True)

    row = attr.Method(
        name="contrast",
        function=contrast,
        title="Contrast",
        source="a test",
        signed=True,
        regions=False,
        reduce="sum",
        options={"samples": "shap_samples"},
        note="{samples} times the image, less {background} images.",
    )
    monkeypatch.setitem(attr.METHODS, "contrast", row)
    with pytest.raises(UserError, match="contrast needs background images"):
        check_methods(["contrast"], None)
    ours, normal = explainer(ensemble), np.asarray(normalized(IMAGES / np.float32(255)))
    expected = (2 * normal - normal[:2].mean(axis=0)).sum(axis=-1)
    np.testing.assert_allclose(maps(ours, "contrast", 0), np.stack([expected] * 2), atol=1e-4)
    lines = ours.settings.describe(["saliency", "contrast"], 2)
    assert lines == ["Contrast: 2 times the image, less 2 images."]
