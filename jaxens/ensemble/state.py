"""The stacked state of an ensemble: every leaf has a leading member axis."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jaxtyping import Key

from jaxens.config import Config, Optim
from jaxens.data.schema import Task
from jaxens.models import Classifier, build
from jaxens.ops import conv_general_dilated


class State(NamedTuple):
    """Parameters, batch statistics and optimiser state of all members."""

    params: Any
    batch_stats: Any
    opt_state: Any

    @property
    def variables(self) -> dict[str, Any]:
        return {"params": self.params, "batch_stats": self.batch_stats}


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
        return optax.chain(
            optax.add_decayed_weights(optim.weight_decay), optax.sgd(rate, 0.9, nesterov=True)
        )
    return optax.adamw(rate, weight_decay=optim.weight_decay)


def init(
    config: Config,
    model: Classifier,
    optimizer: optax.GradientTransformation,
    key: Key[Array, ""],
) -> State:
    """Fresh members, each from `fold_in(key, member)`.

    With `base = "shared"` all start from the trunk of the first, and differ in their heads
    (the paper's "one base, N heads").
    """
    size = config.data.image_size
    images = jnp.zeros((1, size, size, 3))

    def one(member: Array) -> State:
        variables = model.init(jax.random.fold_in(key, member), images)
        return State(variables["params"], variables.get("batch_stats", {}), ())

    def all_members(members: Array) -> State:
        state = jax.vmap(one)(members)
        if config.ensemble.base == "shared":
            trunk = jax.tree.map(lambda x: jnp.broadcast_to(x[:1], x.shape), state.params["trunk"])
            state = state._replace(params={**state.params, "trunk": trunk})
        return state._replace(opt_state=jax.vmap(optimizer.init)(state.params))

    return jax.jit(all_members)(jnp.arange(trained_members(config)))
