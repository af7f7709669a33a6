"""A step of M members equals M single steps; it depends on the seed alone; members differ."""

from functools import cache

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.data.schema import Task
from jaxens.training import step as steps
from jaxens.training.plan import Plan, bucket_of
from jaxens.training.settings import Augment, Config, Data, Members, Model, Optim
from jaxens.training.state import build_model, build_optimizer, init

pytestmark = pytest.mark.slow

MEMBERS, IMAGES, SIZE = 3, 24, 16
TASKS = (
    Task.multiclass("species", ("a", "b", "c"), ("bird",)),
    Task.multilabel("marks", {"ring": ("eye",), "crest": ("crown",)}),
)


def config(diversity="random-weights", base="own", seed=0, dtype="auto"):
    return Config(
        data=Data(image_size=SIZE),
        model=Model(dtype=dtype),
        ensemble=Members(MEMBERS, diversity, base),
        optim=Optim(batch_size=6, seed=seed),
        augment=Augment(),
    )


def random_images():
    rng = np.random.default_rng(0)
    return {
        "images": rng.integers(0, 256, (IMAGES, SIZE, SIZE, 3), dtype=np.uint8),
        "labels": {
            "species": rng.integers(-1, 3, IMAGES).astype(np.int32),
            "marks": rng.integers(-1, 2, (IMAGES, 2)).astype(np.int8),
        },
    }


class Training:
    """A short training on random images."""

    def __init__(self, config, one=None):
        self.model = build_model(config, TASKS)
        self.optimizer = build_optimizer(config.optim, steps=10)
        self.weight_key, step_key = jax.random.split(jax.random.key(config.optim.seed))
        self.config = config
        self.plan = Plan.make(
            config.ensemble.diversity, MEMBERS, IMAGES, config.optim.batch_size, config.optim.seed
        )
        self.one = one or steps.train_one(self.model, self.optimizer, TASKS, (1.0, 1.0))
        self.step = jax.jit(steps.train_all(self.one, config.augment, step_key, self.plan.shared))

    def init(self):
        return init(self.config, self.model, self.optimizer, self.weight_key)

    def after(self, count, pool):
        state = self.init()
        for number in range(count):
            batch = jax.tree.map(lambda leaf, n=number: leaf[self.plan(n)], pool)
            state, losses = self.step(state, batch, jnp.int32(number))
        return state, losses


@cache
def training_of(config):
    """Compiled once for all tests of a config."""
    return Training(config)


def member(tree, k):
    return jax.tree.map(lambda leaf: leaf[k], tree)


def differs(one, other):
    return any(
        not np.array_equal(a, b)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    )


@pytest.mark.parametrize("diversity", ["random-weights", "bagging"])
def test_a_step_of_all_members_equals_single_steps(diversity):
    training = training_of(config(diversity))
    # After two steps, momenta and batch statistics differ from their initial values.
    state, _ = training.after(2, random_images())
    count = MEMBERS + (diversity != "random-weights")
    axis = None if training.plan.shared else 0
    rng = np.random.default_rng(1)
    shape = () if training.plan.shared else (count,)
    images = jnp.asarray(rng.normal(size=(*shape, 6, SIZE, SIZE, 3)), jnp.float32)
    labels = {
        "species": jnp.asarray(rng.integers(0, 3, (*shape, 6))),
        "marks": jnp.asarray(rng.integers(0, 2, (*shape, 6, 2))),
    }
    keys = jax.random.split(jax.random.key(1), count)
    stacked, losses = jax.jit(training.one.of_all, static_argnames="shared")(
        state, images, labels, keys, jnp.int32(2), shared=training.plan.shared
    )
    single = jax.jit(training.one)
    for k in range(count):
        batch = (images, labels) if axis is None else (images[k], member(labels, k))
        expected, loss = single(member(state, k), *batch, keys[k], jnp.int32(2))
        np.testing.assert_allclose(losses[k], loss, rtol=1e-5)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
            member(stacked, k),
            expected,
        )


@pytest.mark.parametrize("diversity", ["random-weights", "bagging"])
def test_each_member_and_step_draws_its_own_augmentation_and_dropout(diversity):
    """Augmentation is drawn once for all members that share their batches."""
    training = Training(config(diversity), one=PROBE)
    count = MEMBERS + (diversity != "random-weights")
    seen = []
    for number in (0, 1):
        # The same images for all, so that members differ by their augmentation only.
        same = np.arange(6) if training.plan.shared else np.tile(np.arange(6), (count, 1))
        batch = jax.tree.map(lambda leaf, rows=same: leaf[rows], random_images())
        seen.append(training.step(training.init(), batch, jnp.int32(number))[1])
    images = np.array([[float(s["images"][k]) for k in range(count)] for s in seen])
    dropout = np.array([[float(s["dropout"][k]) for k in range(count)] for s in seen])
    assert len(np.unique(dropout)) == dropout.size
    shared = diversity == "random-weights"
    assert len(np.unique(images)) == (2 if shared else images.size)


def inputs_of_step(params, batch_stats, images, labels, key):
    """In place of a loss: a number for the images, and one for the key."""
    return {"images": jnp.sum(images), "dropout": jax.random.uniform(key)}, batch_stats, params


PROBE = steps.Step(inputs_of_step, update=lambda state, loss, *changes: (state, loss))


def test_the_same_seed_gives_bitwise_the_same_run_and_another_seed_another():
    first, _ = training_of(config()).after(3, random_images())
    again, _ = Training(config()).after(3, random_images())
    other, _ = Training(config(seed=1)).after(3, random_images())
    assert not differs(first, again)
    assert differs(first.params, other.params)


def test_members_differ_from_the_start_and_stay_different():
    training = training_of(config())
    for state in (training.init(), training.after(2, random_images())[0]):
        kernels = np.asarray(state.params["trunk"]["down0"]["kernel"])
        for k in range(1, MEMBERS):
            assert np.abs(kernels[k] - kernels[0]).max() > 1e-3


def test_a_shared_base_starts_with_one_trunk_and_many_heads():
    params = Training(config(base="shared")).init().params
    assert not differs(member(params["trunk"], 0), member(params["trunk"], 1))
    assert differs(member(params["heads"], 0), member(params["heads"], 1))


def test_a_left_out_bucket_leaves_no_trace_in_its_member():
    """With other images in its bucket, a member has the same weights, momenta and statistics."""
    training = Training(config("leave-one-out"))
    pool, swapped = random_images(), random_images()
    bucket = bucket_of(IMAGES, MEMBERS, seed=0) == 1
    swapped["images"][bucket] = 255 - swapped["images"][bucket]
    state, _ = training.after(4, pool)
    changed, _ = training.after(4, swapped)
    assert not differs(member(state, 1), member(changed, 1))
    for k in (0, 2, MEMBERS):  # the last is the baseline on all data
        assert differs(member(state.batch_stats, k), member(changed.batch_stats, k))


def test_bfloat16_computes_and_float32_keeps_the_state():
    rough, exact = (Training(config(dtype=dtype)) for dtype in ("bfloat16", "float32"))
    (state, losses), (_, expected) = (
        training.after(2, random_images()) for training in (rough, exact)
    )
    kept = [leaf.dtype for leaf in jax.tree.leaves((state, losses))]
    assert {dtype for dtype in kept if jnp.issubdtype(dtype, jnp.floating)} == {np.dtype("float32")}
    assert 0 < np.abs(losses - expected).max() < 0.03 * np.abs(expected).max()


def test_batch_statistics_of_bfloat16_are_summed_in_float32():
    model = build_model(config(dtype="bfloat16"), TASKS)
    images = jnp.zeros((4, SIZE, SIZE, 3))
    variables = jax.eval_shape(model.init, jax.random.key(0), images)

    def forward(variables, images):
        return model.apply(variables, images, True, mutable=["batch_stats"])

    def summed_dtypes(jaxpr):
        for eqn in jaxpr.eqns:
            if eqn.primitive.name == "reduce_sum":
                yield eqn.invars[0].aval.dtype
            for inner in jax.extend.core.jaxprs_in_params(eqn.params):
                yield from summed_dtypes(inner)

    dtypes = list(summed_dtypes(jax.make_jaxpr(forward)(variables, images).jaxpr))
    assert len(dtypes) > len(jax.tree.leaves(variables["batch_stats"]))  # these, and the pooling
    assert set(dtypes) == {jnp.dtype(jnp.float32)}


def test_training_learns():
    training = training_of(config())
    pool = random_images()
    _, first = training.after(1, pool)
    _, last = training.after(40, pool)
    assert (last < first).all()


@pytest.mark.parametrize("diversity", ["random-weights", "bagging"])  # with one batch, and several
@pytest.mark.parametrize(("images", "loops"), [(20, 0), (21, 1)])
def test_an_accelerator_loops_over_members_with_many_pixels(diversity, images, loops):
    """21 images of 224 px have more than 2**20 pixels."""
    training = Training(config(diversity))
    state = jax.eval_shape(training.init)
    shape = (*([] if training.plan.shared else [state.members]), images, 224, 224, 3)
    batch = {
        "images": jax.ShapeDtypeStruct(shape, np.uint8),
        "labels": {
            "species": jax.ShapeDtypeStruct(shape[:-3], np.int32),
            "marks": jax.ShapeDtypeStruct((*shape[:-3], 2), np.int8),
        },
    }
    traced = training.step.trace(state, batch, jax.ShapeDtypeStruct((), np.int32))
    text = traced.lower(lowering_platforms=("tpu",)).as_text()
    assert text.count("stablehlo.while") == loops
