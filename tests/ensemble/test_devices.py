"""Logits, maps and scores of images that are spread over devices are those of one device."""

import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.attribution import METHODS, superpixels
from jaxens.data.schema import Task
from jaxens.ensemble import Ensemble
from jaxens.evaluation.maps import Explainer
from jaxens.evaluation.settings import MethodSettings
from jaxens.models import SmallResNet
from jaxens.ops import conv_general_dilated

DEVICES, IMAGES = 4, 6  # which do not divide


TASKS = (
    Task.multiclass("species", ("a", "b", "c")),
    Task.multilabel("marks", {"ring": ("eye",), "crest": ("crown",)}),
)


def small_ensemble() -> Ensemble:
    heads = tuple((task.name, len(task.classes)) for task in TASKS)
    model = SmallResNet(heads, conv_general_dilated, widths=(4, 8), blocks=(0, 0))
    keys = jax.random.split(jax.random.key(0), 3)
    variables = jax.jit(jax.vmap(model.init, (0, None)))(keys, jnp.zeros((1, 16, 16, 3)))
    return Ensemble(model, variables, TASKS)


def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (IMAGES, 16, 16, 3), np.uint8)


def results(ensemble: Ensemble) -> dict[str, np.ndarray]:
    """Logits, and the maps of all methods, of images one by one and some at once."""
    settings = MethodSettings(
        steps=4, shap_samples=3, noise_samples=3, lime_samples=20, member_images_at_once=6
    )
    explainer = Explainer(ensemble, 16, settings, images()[:2])
    task = ensemble.tasks[0]
    targets = np.arange(IMAGES) % len(task.classes)
    rows = np.arange(IMAGES)
    of_images = explainer.maps(list(METHODS), images(), rows, targets, task.name)
    one_class = ensemble.explain(images(), 1, {"saliency": {}}, task.name, images_at_once=5)
    lime = ensemble.attribute(
        images()[:3],
        targets[:3],
        "lime",
        task.name,
        key=jax.random.key(0),
        segments=superpixels(images()[:3]),
        samples=20,
    )
    logits = ensemble.all_logits(images()[:5])
    return {
        **logits,
        **of_images,
        "one class": one_class["saliency"],
        "lime of three": lime,
    }


def write(path: Path) -> None:
    """Writes the results on several devices, and on one of them."""
    assert jax.device_count() == DEVICES
    ensemble = small_ensemble()
    spread = ensemble.on_devices(jax.devices())
    assert (ensemble.devices, spread.devices) == (1, DEVICES)
    assert ensemble.on_devices().devices == 1  # of a CPU
    for name, of in (("one", ensemble), ("all", spread)):
        arrays = {key: np.asarray(value) for key, value in results(of).items()}
        np.savez(path / f"{name}.npz", **arrays)


@pytest.mark.slow
@pytest.mark.long
def test_images_on_four_devices_have_the_logits_and_maps_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XLA_FLAGS", f"--xla_force_host_platform_device_count={DEVICES}")
    subprocess.run([sys.executable, "-m", "tests.ensemble.test_devices", tmp_path], check=True)
    one, spread = np.load(tmp_path / "one.npz"), np.load(tmp_path / "all.npz")
    assert set(METHODS) < set(one) == set(spread)
    for name in one:
        np.testing.assert_allclose(
            spread[name], one[name], atol=1e-5 * np.abs(one[name]).max(), err_msg=name
        )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
