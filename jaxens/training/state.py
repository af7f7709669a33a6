"""The stacked state of an ensemble: every leaf has a leading member axis."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Key

from jaxens.data.schema import Task
from jaxens.models import Classifier, build
from jaxens.ops import conv_general_dilated
from jaxens.training.settings import Config, Optim


class State(NamedTuple):
    """Parameters, batch statistics and optimiser state of all members.

    `trunk` holds the variables of a frozen trunk: once for all members, no optimiser's
    business, None where each member trains its own.
    """

    params: Any
    batch_stats: Any
    opt_state: Any
    trunk: Any = None

    @property
    def variables(self) -> dict[str, Any]:
        """The members' own, stacked."""
        return {"params": self.params, "batch_stats": self.batch_stats}

    @property
    def members(self) -> int:
        return jax.tree.leaves(self.params)[0].shape[0]


MEMBER_AXES = State(0, 0, 0, None)  # of a state, for `vmap`


def trained_members(config: Config) -> int:
    """Members in the stack: the ensemble's, and the all-data baseline where there is one."""
    return config.ensemble.members + (config.ensemble.diversity != "random-weights")


def outputs(task: Task) -> tuple[str, int]:
    return task.name, len(task.classes)


def build_model(config: Config, tasks: tuple[Task, ...]) -> Classifier:
    """One member's model, with the convolution that stays fast under `vmap`."""
    return build(
        config.model.name,
        [outputs(task) for task in tasks],
        dtype=compute_dtype(config.model.dtype),
        conv_general_dilated=conv_general_dilated,
    )


def compute_dtype(name: str) -> Any:
    if name == "auto":
        return jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
    return jnp.dtype(name)


def build_optimizer(optim: Optim, steps: int) -> optax.GradientTransformation:
    """The optimiser and its learning rate over `steps` steps."""
    warmup = min(int(optim.warmup * steps), steps - 1)
    peak = optim.learning_rate
    if optim.schedule == "cosine":
        rate = optax.warmup_cosine_decay_schedule(0.0, peak, warmup, steps)
    else:
        rate = optax.join_schedules(
            [optax.linear_schedule(0.0, peak, warmup), optax.constant_schedule(peak)], [warmup]
        )
    if optim.optimizer == "sgd":
        return _promoting(
            optax.chain(
                optax.add_decayed_weights(optim.weight_decay), optax.sgd(rate, 0.9, nesterov=True)
            )
        )
    return _promoting(optax.adamw(rate, weight_decay=optim.weight_decay))


def _promoting(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Lets Optax mix integers and floats also where type promotion is strict."""

    def update(gradient: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        with jax.numpy_dtype_promotion("standard"):
            return optimizer.update(gradient, state, params)

    return optax.GradientTransformation(optimizer.init, update)


def init(
    config: Config,
    model: Classifier,
    optimizer: optax.GradientTransformation,
    key: Key[Array, ""],
    weights: Any = None,
) -> State:
    """Fresh members, each from `fold_in(key, member)`.

    Where there are `weights`, one member's variables below the heads, all members start from
    them. With `base = "shared"` all start from the trunk of the first, and differ in their
    heads (the paper's "one base, N heads"). With `base = "frozen"` the trunk of `weights`
    (which that needs) is no part of a member at all: members are what lies above it.
    """
    frozen = config.ensemble.base == "frozen"
    if frozen and weights is None:
        raise ValueError('base = "frozen" needs the weights of a trunk: give weights')
    size = config.data.image_size
    images = jnp.zeros((1, size, size, 3))
    trunk = {name: {"trunk": p["trunk"]} for name, p in weights.items()} if frozen else None

    def all_members(members: Array, trunk: Any, weights: Any) -> State:
        def one(member: Array) -> State:
            own = jax.random.fold_in(key, member)
            if frozen:
                embedding = model.apply(trunk, images, method="pooled_features")
                variables = model.init(own, embedding, method="classify")
            else:
                variables = model.init(own, images)
            variables = _starting_from(weights or {}, variables)
            return State(variables["params"], variables.get("batch_stats", {}), ())

        state = jax.vmap(one)(members)
        if config.ensemble.base == "shared":
            shared = jax.tree.map(lambda x: jnp.broadcast_to(x[:1], x.shape), state.params["trunk"])
            state = state._replace(params={**state.params, "trunk": shared})
        opt_state = jax.vmap(optimizer.init)(state.params)
        # Copies, since a training step reuses its state's buffers.
        return state._replace(opt_state=opt_state, trunk=jax.tree.map(jnp.copy, trunk))

    return jax.jit(all_members)(jnp.arange(trained_members(config)), trunk, weights)


def _starting_from(weights: Any, variables: Any) -> Any:
    """One member's variables with those of `weights` in place of the parts that both have."""
    return {
        name: {part: weights.get(name, {}).get(part, own) for part, own in parts.items()}
        for name, parts in variables.items()
    }
