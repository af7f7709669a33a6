"""How many images go through a model at once depends on the model and the device."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import pytest

from jaxens.models import build, memory
from jaxens.models.memory import gradient_bytes, member_images_at_once

pytestmark = pytest.mark.slow

SMALL = build("small", [("species", 18)])
RESNET = build("resnet18", [("species", 18)])
GIB = 2**30


def accelerator(monkeypatch, nbytes):
    device = SimpleNamespace(memory_stats=lambda: {"bytes_limit": nbytes})
    monkeypatch.setattr(jax, "local_devices", lambda: [device])


def test_on_a_cpu_the_activations_of_one_member_fit_the_caches():
    activations, weights = gradient_bytes(SMALL, 64)
    assert weights < memory.CACHE_BYTES
    for members in (1, 11):
        each = member_images_at_once(SMALL, 64, members) / members
        assert each * activations == pytest.approx(memory.CACHE_BYTES, rel=0.03)


def test_on_a_cpu_the_activations_of_a_large_network_are_as_large_as_its_weights():
    activations, weights = gradient_bytes(RESNET, 64)
    assert weights > memory.CACHE_BYTES
    assert member_images_at_once(RESNET, 64, 11) * activations == pytest.approx(
        11 * weights, rel=0.01
    )


@pytest.mark.parametrize("nbytes", [16 * GIB, 80 * GIB])
@pytest.mark.parametrize("model", ["resnet18", "vgg16"])
def test_activations_fit_an_accelerator(monkeypatch, model, nbytes):
    accelerator(monkeypatch, nbytes)
    network = build(model, [("species", 18)])
    activations = member_images_at_once(network, 224, 11) * gradient_bytes(network, 224)[0]
    assert nbytes / 5 < activations <= nbytes / 4


@pytest.mark.parametrize("nbytes", [None, 8 * GIB])
def test_fewer_images_go_at_once_if_they_or_the_network_are_larger_but_at_least_one(
    monkeypatch, nbytes
):
    if nbytes:
        accelerator(monkeypatch, nbytes)
    sizes = [member_images_at_once(RESNET, size, 2) for size in (64, 128, 224, 4096)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[1] > sizes[2] > sizes[3] >= 1
    assert member_images_at_once(SMALL, 64, 2) > member_images_at_once(RESNET, 64, 2)
    monkeypatch.setattr(memory, "gradient_bytes", lambda *_: (10**12, 1))
    assert member_images_at_once(RESNET, 64, 2) == 1


def test_the_activations_of_a_gradient_are_about_those_of_xlas_memory_analysis():
    variables = jax.eval_shape(SMALL.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))

    @jax.jit
    def gradient(variables, images):
        return jax.grad(lambda images: SMALL.apply(variables, images)["species"].sum())(images)

    def temporary(count):
        images = jax.ShapeDtypeStruct((count, 32, 32, 3), jnp.float32)
        program = gradient.lower(variables, images).compile()
        return program.memory_analysis().temp_size_in_bytes

    by_xla = (temporary(12) - temporary(4)) / 8
    assert by_xla < gradient_bytes(SMALL, 32)[0] < 1.6 * by_xla


def test_bfloat16_halves_the_activations():
    activations, weights = gradient_bytes(SMALL, 64)
    half, same = gradient_bytes(build("small", [("species", 18)], dtype=jnp.bfloat16), 64)
    assert same == weights
    assert half < 0.7 * activations
