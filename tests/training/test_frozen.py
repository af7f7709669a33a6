"""Frozen stages are shared by all members: not trained, not stacked, and computed once."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxens.data.schema import Task
from jaxens.ensemble import Ensemble
from jaxens.models import VGG, normalized
from jaxens.models.trunk import frozen_features, without_heads
from jaxens.ops import conv_general_dilated, max_pool
from jaxens.training.feed import Resident
from jaxens.training.loss import multitask_loss
from jaxens.training.plan import Plan
from jaxens.training.settings import Augment, Config, Data, Members, Model, Optim
from jaxens.training.state import build_optimizer, init
from jaxens.training.step import train_all, train_one

pytestmark = pytest.mark.slow

MEMBERS, IMAGE_COUNT, SIZE, BATCH, STEPS = 3, 12, 16, 4, 3
TASKS = (
    Task.multiclass("species", ("a", "b", "c")),
    Task.multilabel("marks", {"ring": ("eye",), "crest": ("crown",)}),
)
UNCHANGED = Augment(flip=False, zoom=0.0, color=0.0)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (IMAGE_COUNT, SIZE, SIZE, 3), dtype=np.uint8)
LABELS = {
    "species": RNG.integers(-1, 3, IMAGE_COUNT).astype(np.int32),
    "marks": RNG.integers(-1, 2, (IMAGE_COUNT, 2)).astype(np.int8),
}
STEP_KEY = jax.random.key(7)
DIVERSITIES = [pytest.param("random-weights", marks=pytest.mark.long), "leave-one-out"]


def vgg(full, convolution=conv_general_dilated):
    return VGG(
        (("species", 3), ("marks", 2)),
        stages=((4, 1), (6, 1)),
        batch_norm=True,
        full_classifier=full,
        hidden=5,
        conv_general_dilated=convolution,
    )


class Frozen:
    """An ensemble on frozen stages with random batch statistics."""

    def __init__(self, full, diversity="random-weights", model=None, stage="heads"):
        self.stage = stage
        self.model = model or vgg(full)
        self.plan = Plan.make(diversity, MEMBERS, IMAGE_COUNT, BATCH, seed=0)
        self.config = Config(
            data=Data(image_size=SIZE),
            model=Model(weights="a trunk"),
            ensemble=Members(MEMBERS, diversity, "frozen")
            if stage == "heads"
            else Members(MEMBERS, diversity, train_from=stage),
            optim=Optim(batch_size=BATCH),
            augment=UNCHANGED,
        )
        self.optimizer = build_optimizer(self.config.optim, 10)
        variables = self.model.init(jax.random.key(3), jnp.zeros((1, SIZE, SIZE, 3)))
        drawn = jax.tree.map(
            lambda leaf: jnp.asarray(RNG.uniform(0.5, 1.5, leaf.shape), leaf.dtype),
            variables["batch_stats"],
        )
        self.weights = without_heads({**variables, "batch_stats": drawn})

    def init(self):
        key = jax.random.key(0)
        return init(self.config, self.model, self.optimizer, key, self.weights)

    def step(self):
        one = train_one(self.model, self.optimizer, TASKS, (1.0, 1.0), self.stage)
        below = partial(frozen_features, self.model, stage=self.stage)
        return train_all(one, UNCHANGED, STEP_KEY, self.plan.shared, below)

    def trained(self, inputs):
        """The state after a few steps, and the losses [step, member]."""
        feed = Resident({**inputs, "labels": LABELS}, self.plan, self.step(), at_once=STEPS)
        state = self.init()
        feed.compile(state, [STEPS])
        return feed(state, 0, STEPS)

    def features(self):
        trunk = self.init().trunk
        return jax.jit(
            lambda: frozen_features(self.model, trunk, normalized(IMAGES / 255), self.stage)
        )()


def train_alone(frozen, k, numbers):
    """Trains member k as a whole model whose trunk is held fixed: its parameters and losses."""
    model, state = frozen.model, frozen.init()
    stats = {"batch_stats": state.trunk["batch_stats"]}
    params = {
        **state.trunk["params"],
        **jax.tree.map(lambda leaf: leaf[k], state.params),
    }

    @jax.jit
    @jax.value_and_grad
    def loss_of(params, images, labels, key):
        variables = {"params": params, **stats}
        features = model.apply(variables, images, method="features")
        logits = model.apply(
            variables,
            jax.lax.stop_gradient(features),
            True,
            method="head",
            rngs={"dropout": key},
        )
        return multitask_loss(TASKS, (1.0, 1.0), logits, labels)

    def above(tree):
        return {name: part for name, part in tree.items() if name != "trunk"}

    optimizer = frozen.optimizer
    opt_state, losses = optimizer.init(above(params)), []
    for number in numbers:
        rows = np.atleast_2d(frozen.plan(number))
        rows = rows[k if len(rows) > 1 else 0]
        labels = {name: values[rows] for name, values in LABELS.items()}
        dropout_key = jax.random.split(jax.random.fold_in(STEP_KEY, number))[1]
        key = jax.random.fold_in(dropout_key, k)
        loss, gradient = loss_of(params, normalized(IMAGES[rows] / 255), labels, key)
        updates, opt_state = optimizer.update(above(gradient), opt_state, above(params))
        params = {**params, **optax.apply_updates(above(params), updates)}
        losses.append(float(loss))
    return above(params), losses


@pytest.mark.parametrize("full", [False, True])  # with the full VGG, members have a neck each
@pytest.mark.parametrize("diversity", DIVERSITIES)
def test_members_train_as_models_whose_trunk_is_held_fixed(full, diversity):
    frozen = Frozen(full, diversity)
    per_step = frozen.trained({"images": IMAGES})
    per_run = frozen.trained({"features": np.asarray(frozen.features())})
    assert per_step[1].shape == (STEPS, MEMBERS + (diversity == "leave-one-out"))
    for k in range(per_step[1].shape[1]):
        params, losses = train_alone(frozen, k, range(STEPS))
        for state, ours in (per_step, per_run):
            np.testing.assert_allclose(ours[:, k], losses, rtol=2e-5)
            jax.tree.map(
                lambda ours, theirs, k=k: np.testing.assert_allclose(
                    ours[k], theirs, rtol=1e-4, atol=1e-5
                ),
                state.params,
                params,
            )


def conv_norm_relu(x, kernel, leaves, mean, var):
    """A 3x3 convolution with batch normalization and ReLU."""
    numbers = ("NHWC", "HWIO", "NHWC")
    x = jax.lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=numbers)
    mean, var, scale, bias = (
        leaf.reshape(1, 1, 1, -1)
        for leaf in (mean(x), var(x) + 1e-5, leaves["scale"], leaves["bias"])
    )
    return jax.nn.relu((x - mean) / jnp.sqrt(var) * scale + bias)


def train_top_alone(frozen, k, numbers):
    """Trains member k in plain JAX; its first stage is fixed, with its running statistics."""
    state = frozen.init()
    params = jax.tree.map(lambda leaf: leaf[k], state.params)
    first, running = (state.trunk[name]["trunk"] for name in ("params", "batch_stats"))

    @jax.jit
    @jax.value_and_grad
    def loss_of(params, images, labels):
        trunk = params["trunk"]
        x = conv_norm_relu(
            images,
            first["conv1_1"]["kernel"],
            first["bn1_1"],
            lambda _: running["bn1_1"]["mean"],
            lambda _: running["bn1_1"]["var"],
        )
        x = conv_norm_relu(
            max_pool(x, 2, 2),
            trunk["conv2_1"]["kernel"],
            trunk["bn2_1"],
            lambda x: x.mean((0, 1, 2)),
            lambda x: x.var((0, 1, 2)),
        )
        pooled = x.mean((1, 2))
        logits = {
            task: pooled @ head["kernel"] + head["bias"].reshape(1, -1)
            for task, head in params["heads"].items()
        }
        return multitask_loss(TASKS, (1.0, 1.0), logits, labels)

    optimizer = frozen.optimizer
    opt_state, losses = optimizer.init(params), []
    for number in numbers:
        rows = np.atleast_2d(frozen.plan(number))
        rows = rows[k if len(rows) > 1 else 0]
        labels = {name: values[rows] for name, values in LABELS.items()}
        loss, gradient = loss_of(params, normalized(IMAGES[rows] / 255), labels)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        params = optax.apply_updates(params, updates)
        losses.append(float(loss))
    return params, losses


@pytest.mark.parametrize("diversity", DIVERSITIES)
def test_members_trained_from_a_stage_are_models_whose_lower_stages_are_held_fixed(diversity):
    frozen = Frozen(False, diversity, stage="conv2")
    per_step = frozen.trained({"images": IMAGES})
    per_run = frozen.trained({"features": np.asarray(frozen.features())})
    for k in range(per_step[1].shape[1]):
        params, losses = train_top_alone(frozen, k, range(STEPS))
        for state, ours in (per_step, per_run):
            np.testing.assert_allclose(ours[:, k], losses, rtol=2e-5)
            assert set(state.params["trunk"]) == {"conv2_1", "bn2_1"}
            assert set(state.batch_stats["trunk"]) == {"bn2_1"}
            jax.tree.map(
                lambda ours, theirs, k=k: np.testing.assert_allclose(
                    ours[k], theirs, rtol=1e-4, atol=1e-5
                ),
                state.params,
                params,
            )


def test_frozen_stages_are_kept_once_as_they_came():
    frozen = Frozen(False, stage="conv2")
    state, _ = frozen.trained({"images": IMAGES})
    assert set(state.trunk["params"]["trunk"]) == {"conv1_1", "bn1_1"}
    for kind, name in (("params", "conv1_1"), ("params", "bn1_1"), ("batch_stats", "bn1_1")):
        jax.tree.map(
            np.testing.assert_array_equal,
            state.trunk[kind]["trunk"][name],
            frozen.weights[kind]["trunk"][name],
        )
    kept = {jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(state.opt_state)}
    assert not any("conv1_1" in path or "bn1_1" in path for path in kept)
    assert any("conv2_1" in path for path in kept)


def test_members_start_with_identical_stages_of_the_weights_and_different_heads():
    frozen = Frozen(False, stage="conv2")
    params = frozen.init().params
    for k in range(MEMBERS):
        for name in ("conv2_1", "bn2_1"):
            jax.tree.map(
                lambda a, b, k=k: np.testing.assert_array_equal(a[k], b),
                params["trunk"][name],
                frozen.weights["params"]["trunk"][name],
            )
    heads = np.asarray(params["heads"]["species"]["kernel"])
    assert len(np.unique(heads)) == heads.size


@pytest.mark.parametrize("full", [False, True])
def test_the_trunk_is_kept_once_and_no_step_changes_it(full):
    frozen = Frozen(full)
    state, _ = frozen.trained({"images": IMAGES})
    trunk = {name: {"trunk": parts["trunk"]} for name, parts in frozen.weights.items()}
    jax.tree.map(np.testing.assert_array_equal, state.trunk, trunk)
    assert set(state.params) == ({"heads", "neck"} if full else {"heads"})
    assert not state.batch_stats
    kept = jax.tree_util.tree_leaves_with_path(state.opt_state)
    assert kept
    assert not any("trunk" in jax.tree_util.keystr(path) for path, _ in kept)


def test_members_start_with_different_heads_and_the_neck_of_the_weights():
    frozen = Frozen(full=True)
    params = frozen.init().params
    neck, heads = params["neck"]["fc6"]["kernel"], params["heads"]["species"]["kernel"]
    for k in range(MEMBERS):
        np.testing.assert_array_equal(neck[k], frozen.weights["params"]["neck"]["fc6"]["kernel"])
    assert len(np.unique(np.asarray(heads))) == heads.size


@pytest.mark.parametrize("diversity", DIVERSITIES)
def test_a_step_runs_the_trunk_once_for_all_members_without_a_backward_pass(diversity):
    """The VGG has two convolutions, and a step on features has none."""
    frozen = Frozen(False, diversity, vgg(False, jax.lax.conv_general_dilated))

    def convolutions(inputs):
        batch = {name: leaf[frozen.plan(0)] for name, leaf in {**inputs, **LABELS}.items()}
        batch = {**{name: batch[name] for name in inputs}, "labels": {n: batch[n] for n in LABELS}}
        lowered = jax.jit(frozen.step()).lower(frozen.init(), batch, jnp.int32(0))
        return lowered.as_text().count("stablehlo.convolution")

    assert convolutions({"images": IMAGES}) == 2
    jaxpr = jax.make_jaxpr(frozen.step())(
        frozen.init(),
        {
            "images": IMAGES[frozen.plan(0)],
            "labels": {n: LABELS[n][frozen.plan(0)] for n in LABELS},
        },
        jnp.int32(0),
    )
    over_members = [eqn for eqn in jaxpr.eqns if eqn.primitive.name == "cond"]
    assert "scan" in str(over_members)  # on a CPU
    assert "conv_general_dilated" not in str(over_members)
    assert convolutions({"features": np.asarray(frozen.features())}) == 0


@pytest.fixture(scope="module")
def ensembles(request):
    """The same ensemble twice: with frozen stages once for all, and with a copy for each member."""
    frozen = Frozen(full=False, stage=request.param)
    state = frozen.init()
    shared = Ensemble(frozen.model, state.variables, TASKS, trunk=state.trunk)
    stacked = jax.tree.map(lambda *each: jnp.stack(each), *(shared.member(k) for k in range(3)))
    return shared, Ensemble(frozen.model, stacked, TASKS)


@pytest.mark.parametrize("ensembles", ["heads", "conv2"], indirect=True)
def test_logits_equal_those_of_members_with_a_trunk_each(ensembles):
    shared, stacked = ensembles
    assert shared.members == MEMBERS
    ours, theirs = shared.all_logits(IMAGES), stacked.all_logits(IMAGES)
    for task in TASKS:
        np.testing.assert_allclose(ours[task.name], theirs[task.name], rtol=1e-5, atol=1e-5)


SETTINGS = {
    "saliency": {},
    "integrated_gradients": {"steps": 3},
    "gradient_shap": {"key": jax.random.key(1), "baselines": IMAGES[2:4], "samples": 2},
    "grad_cam": {},
    "guided_grad_cam": {},
    "lime": {
        "key": jax.random.key(1),
        "samples": 8,
        "segments": np.arange(2 * SIZE**2).reshape(2, SIZE, SIZE) % SIZE**2 // 40,
    },
}


@pytest.mark.parametrize(
    ("ensembles", "method"),
    [*(("heads", method) for method in SETTINGS), ("conv2", "guided_grad_cam")],
    indirect=["ensembles"],
)
def test_explanations_equal_those_of_members_with_a_trunk_each(ensembles, method):
    maps = [
        e.attribute(IMAGES[:2], np.array([1, 0]), method, "marks", **SETTINGS[method])
        for e in ensembles
    ]
    largest = np.abs(maps[1]).max()
    assert largest > 0
    np.testing.assert_allclose(maps[0], maps[1], rtol=1e-4, atol=1e-5 * largest)
    in_chunks = ensembles[0].attribute(
        IMAGES[:2], np.array([1, 0]), method, "marks", members_at_once=2, **SETTINGS[method]
    )
    np.testing.assert_allclose(in_chunks, maps[0], rtol=1e-4, atol=1e-5 * largest)
