"""`accelerate` changes convolutions and max pooling on a CPU, and nothing else."""

from functools import partial
from unittest.mock import Mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.core import jaxprs_in_params
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxens.ops import accelerate, conv_general_dilated, max_pool
from jaxens.ops.cpu import winograd
from tests.ops.zoo import LAST, MODELS, Case, conv

pytestmark = pytest.mark.slow


def count(jaxpr) -> int:
    """Returns how many equations were replaced; those in a loop once."""
    return sum(
        1 if eqn.params.get("name") == "_on_cpu" else sum(map(count, jaxprs_in_params(eqn.params)))
        for eqn in jaxpr.eqns
    )


def replaced(fn, *args) -> int:
    return count(jax.make_jaxpr(fn)(*args).jaxpr)


def assert_same(ours, plain):
    """Trees and types are equal, and values differ by at most 1e-5 of the largest in their array.

    Some sums are zero but for rounding, such as the gradient of a bias before a normalization. So
    1e-7 of the largest value of all arrays is allowed too.
    """
    assert jax.tree.structure(ours) == jax.tree.structure(plain)
    leaves = list(zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True))
    rounding = 1e-7 * max(np.abs(b).max() for _, b in leaves)
    for a, b in leaves:
        assert (a.dtype, a.weak_type) == (b.dtype, b.weak_type)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * np.abs(b).max() + rounding)


def value_and_grads(fn):
    """Returns a function that gives the outputs of `fn`, and the gradients of a scalar of them."""

    def loss(params, images):
        outputs = fn(params, images)
        return sum(jnp.sin(leaf + 0.5).sum() for leaf in jax.tree.leaves(outputs)), outputs

    def function(*args):
        (of_params, of_images), outputs = jax.grad(loss, (0, 1), has_aux=True)(*args)
        return outputs, of_params, of_images

    return function


@pytest.fixture(params=MODELS)
def case(request) -> Case:
    return MODELS[request.param]()


def test_values_and_gradients_are_those_of_the_model(case):
    ours = jax.jit(value_and_grads(accelerate(case.fn)))(case.params, case.images)
    plain = jax.jit(value_and_grads(case.fn))(case.params, case.images)
    for a, b in zip(ours, plain, strict=True):
        assert_same(a, b)
    assert replaced(accelerate(case.fn), case.params, case.images) == case.replaced
    assert not replaced(case.fn, case.params, case.images)


# Models with a 3x3 convolution of stride 1. Only these can use Winograd's algorithm.
WINOGRAD = MODELS.keys() - {
    "Linen, depthwise", "Linen, dilated", "Linen, transposed", "Linen, ViT", "NNX", "Equinox",
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(WINOGRAD), indirect=True)
def test_values_and_gradients_are_those_of_the_model_with_winograd(case, monkeypatch):
    """The layers of these models are too small for it otherwise."""
    parts = "forward", "input_gradient", "weight_gradient"
    for name in ("WORK", "TILES", "CHANNELS"):
        monkeypatch.setattr(winograd, name, 0)
    spies = {part: Mock(wraps=getattr(winograd, part)) for part in parts}
    for part, spy in spies.items():
        monkeypatch.setattr(winograd, part, spy)
    jax.clear_caches()  # what was traced without it
    ours = jax.jit(value_and_grads(accelerate(case.fn)))(case.params, case.images)
    plain = jax.jit(value_and_grads(case.fn))(case.params, case.images)
    jax.clear_caches()
    assert all(spy.called for spy in spies.values())
    for a, b in zip(ours, plain, strict=True):
        assert_same(a, b)


def test_members_are_those_of_the_model(case):
    stacked = jax.tree.map(lambda p: jnp.stack([p, p + p / 10]), case.params)
    ours = jax.jit(jax.vmap(value_and_grads(accelerate(case.fn)), (0, None)))(stacked, case.images)
    plain = jax.jit(value_and_grads(case.fn))
    for m in range(2):
        member = jax.tree.map(lambda p, m=m: p[m], stacked)
        for a, b in zip(ours, plain(member, case.images), strict=True):
            assert_same(jax.tree.map(lambda leaf, m=m: leaf[m], a), b)


# Without `jax.jit` around them, models run one equation at a time.
@pytest.mark.parametrize("name", ["Linen, remat", "Equinox", "control flow", "custom_vjp"])
def test_without_jit(name):
    case = MODELS[name]()
    args = case.params, case.images
    assert_same(accelerate(case.fn)(*args), case.fn(*args))


def test_rules_of_the_user_give_the_gradient():
    params, images = MODELS["custom_vjp"]()[1:3]
    gradient = jax.grad(lambda p: accelerate(MODELS["custom_vjp"]().fn)(p, images).sum())(params)
    np.testing.assert_array_equal(gradient["b"], params["b"])  # this rule returns the kernel


def test_a_function_without_convolutions_keeps_its_jaxpr():
    @jax.jit
    def inner(x):
        return jnp.dot(x, x)

    def fn(x):
        x, sums = lax.scan(lambda x, _: (inner(x), jax.nn.relu(x).sum()), x, None, length=2)
        return jax.nn.gelu(jax.checkpoint(inner)(x)), sums

    x = jnp.ones((3, 3))
    assert str(jax.make_jaxpr(accelerate(fn))(x)) == str(jax.make_jaxpr(fn)(x))


def test_other_leaves_pass_through_unchanged():
    table = np.eye(3)

    def fn(x, options, *, scale):
        assert options["table"] is table
        assert isinstance(scale, float)
        return {"y": options["act"](x) * scale, "name": options["name"], "table": table, "no": None}

    options = {"act": jnp.tanh, "name": "relu", "table": table}
    result = accelerate(fn)(jnp.ones(2), options, scale=2.0)
    assert (result["name"], result["no"]) == ("relu", None)
    assert result["table"] is table
    np.testing.assert_array_equal(result["y"], 2 * jnp.tanh(jnp.ones(2)))


def test_weak_types_stay():
    for x in (jnp.full((), 2.0), jnp.ones(()), jnp.asarray(3)):
        ours, plain = accelerate(lambda x: x * 2)(x), x * 2
        assert (ours.dtype, ours.weak_type) == (plain.dtype, plain.weak_type)


@pytest.fixture
def operands():
    case = MODELS["custom_vjp"]()
    return case.images, case.params["a"]


def test_closed_over_tracers(operands):
    images, kernel = operands

    def loss(kernel, accelerate=accelerate):
        def layer(x, _):
            return accelerate(lambda x: jnp.tanh(conv(x, kernel)))(x), None

        return lax.scan(layer, images, None, length=2)[0].sum()

    plain = partial(loss, accelerate=lambda fn: fn)
    assert_same(jax.jit(jax.grad(loss))(kernel), jax.jit(jax.grad(plain))(kernel))
    with jax.checking_leaks():
        jax.make_jaxpr(jax.grad(loss))(kernel)


def test_the_other_order_of_transformations_is_right_too(operands):
    images, kernel = operands
    gradient = jax.grad(lambda x, kernel: jnp.sin(conv(x, kernel)).sum(), (0, 1))
    members = jax.vmap(gradient, (None, 0))
    kernels = jnp.stack([kernel, kernel / 2])
    assert_same(accelerate(members)(images, kernels), members(images, kernels))


def test_forward_mode_raises(operands):
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(accelerate(conv), operands, operands)


def test_other_platforms_run_what_they_ran(operands):
    def fn(images, kernel):
        x = lax.reduce_window(
            conv(images, kernel), -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"
        )
        return x.sum()

    def operations(fn, platform):
        lowered = jax.jit(jax.vmap(jax.grad(fn, (0, 1)), (None, 0))).trace(images, kernels)
        text = lowered.lower(lowering_platforms=(platform,)).as_text()
        names = ("convolution", "dot_general", "reduce_window", "select_and_scatter", "slice")
        return {name: text.count(f"stablehlo.{name}") for name in names}

    images, kernel = operands
    kernels = jnp.stack([kernel, kernel])
    for platform in ("cuda", "tpu"):
        assert operations(accelerate(fn), platform) == operations(fn, platform)
    assert operations(accelerate(fn), "cpu")["select_and_scatter"] == 0


def test_types_that_our_operations_lack_are_left_alone(operands):
    def summed_in_float32(images, kernel):
        x, kernel = images.astype(jnp.bfloat16), kernel.astype(jnp.bfloat16)
        return lax.conv_general_dilated(
            x, kernel, (1, 1), "SAME", dimension_numbers=LAST, preferred_element_type=jnp.float32
        )

    assert not replaced(accelerate(summed_in_float32), *operands)
    assert not replaced(accelerate(conv), *jax.tree.map(jnp.int32, operands))
    in_bfloat16 = tuple(x.astype(jnp.bfloat16) for x in operands)
    assert replaced(accelerate(conv), *in_bfloat16) == 1
    ours, exact = accelerate(conv)(*in_bfloat16), conv(*(x.astype(float) for x in in_bfloat16))
    assert ours.dtype == jnp.bfloat16
    np.testing.assert_allclose(ours.astype(float), exact, rtol=0, atol=2**-8 * np.abs(exact).max())


def test_effects_donation_and_shardings_survive(operands, capfd):
    mesh = jax.make_mesh((2,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:2])
    sharding = NamedSharding(mesh, P("data"))

    @partial(jax.jit, donate_argnums=0, out_shardings=sharding)
    def fn(images, kernel):
        jax.debug.print("seen once")
        return lax.with_sharding_constraint(conv(images, kernel), sharding)

    (jit,) = jax.make_jaxpr(accelerate(fn))(*operands).eqns
    assert jit.params["donated_invars"] == (True, False)
    assert jit.params["out_shardings"] == (sharding,)
    assert [e for e in jit.params["jaxpr"].eqns if e.primitive.name == "sharding_constraint"]
    images = jax.device_put(operands[0], sharding)
    assert accelerate(fn)(images, operands[1]).sharding == sharding
    assert images.is_deleted()
    jax.effects_barrier()
    assert capfd.readouterr().out.count("seen once") == 1


def test_explicit_axes_and_shard_map(operands):
    mesh = jax.make_mesh(
        (2,), ("data",), axis_types=(AxisType.Explicit,), devices=jax.devices()[:2]
    )
    with jax.set_mesh(mesh):
        images = jax.device_put(operands[0], NamedSharding(mesh, P("data")))
        kernel = jax.device_put(operands[1], NamedSharding(mesh, P()))
        gradient = jax.jit(jax.grad(lambda *args: jnp.sin(accelerate(conv)(*args)).sum(), (0, 1)))
        plain = jax.jit(jax.grad(lambda *args: jnp.sin(conv(*args)).sum(), (0, 1)))(images, kernel)
        assert_same(gradient(images, kernel), plain)

        def loss(images, kernel):
            return lax.psum(jnp.sin(accelerate(conv)(images, kernel)).sum(), "data")

        shards = jax.shard_map(loss, mesh=mesh, in_specs=(P("data"), P()), out_specs=P())
        assert replaced(shards, images, kernel) == 1
        assert_same(jax.jit(jax.grad(shards, (0, 1)))(images, kernel), plain)


def test_a_jitted_function_is_rewritten_once(operands):
    """Otherwise, each call without `jax.jit` around it would compile it again."""
    fn = accelerate(jax.jit(conv))
    first, second = (jax.make_jaxpr(fn)(*operands).eqns[0].params["jaxpr"] for _ in range(2))
    assert first is second


def test_our_own_operations_stay_as_they_are(operands):
    def fn(images, kernel):
        x = conv_general_dilated(images, kernel, (1, 1), "SAME", dimension_numbers=LAST)
        return max_pool(x, 2, 2)

    assert str(jax.make_jaxpr(accelerate(fn))(*operands)) == str(jax.make_jaxpr(fn)(*operands))
    once = accelerate(conv)
    twice = jax.make_jaxpr(accelerate(once))(*operands)
    assert str(twice) == str(jax.make_jaxpr(once)(*operands))


def test_without_compilation_the_function_itself_is_called(operands):
    with jax.disable_jit():
        jaxpr = jax.make_jaxpr(accelerate(conv))(*operands)
    assert str(jaxpr) == str(jax.make_jaxpr(conv)(*operands))


def test_windows_that_are_too_large_are_left_alone(operands):
    """Each pixel of a window would be a part of the program."""
    images = jnp.ones((1, 40, 40, 4))
    assert replaced(accelerate(conv), images, jnp.ones((11, 11, 4, 2))) == 1
    assert not replaced(accelerate(conv), images, jnp.ones((31, 31, 4, 2)))


def test_pooling_of_images_smaller_than_a_window_is_empty():
    def pool(x):
        return lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    x = jnp.ones((1, 1, 3, 2))
    assert not replaced(accelerate(pool), x)
    assert accelerate(pool)(x).shape == pool(x).shape == (1, 0, 1, 2)
