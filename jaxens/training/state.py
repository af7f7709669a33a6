"""The stacked state of an ensemble: every leaf has a leading member axis."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jaxtyping import Key

from jaxens.data.schema import Task
from jaxens.errors import UserError, remedy
from jaxens.models import Classifier, build
from jaxens.models.trunk import split_at
from jaxens.ops import conv_general_dilated
from jaxens.training.settings import Config, Optim

TRAINING = -1  # in `diverged_at`, of a member that has not diverged


class State(NamedTuple):
    """Parameters, batch statistics and optimizer state of all members.

    Attributes:
        params: Each leaf [member, ...].
        batch_stats: Each leaf [member, ...].
        opt_state: Each leaf [member, ...].
        diverged_at: The number of the step at which each member diverged, [member]; `TRAINING`
            if it has not.
        trunk: Variables of frozen stages, the same for all members and never trained, without
            a member axis; None if each member trains its whole trunk.
    """

    params: Any
    batch_stats: Any
    opt_state: Any
    diverged_at: Any
    trunk: Any = None

    @property
    def variables(self) -> dict[str, Any]:
        """The members' parameters and batch statistics, each leaf [member, ...]."""
        return {"params": self.params, "batch_stats": self.batch_stats}

    @property
    def members(self) -> int:
        """The number of members in the stack, a baseline included."""
        return jax.tree.leaves(self.params)[0].shape[0]


MEMBER_AXES = State(0, 0, 0, 0, None)  # `in_axes` and `out_axes` of a state, for `vmap`


def trained_members(config: Config) -> int:
    """Returns the number of members that are trained, the baseline on all data included."""
    return config.ensemble.members + (config.ensemble.diversity != "random-weights")


def build_model(config: Config, tasks: tuple[Task, ...], platform: str | None = None) -> Classifier:
    """Returns the model of one member, with a convolution that is fast for many members.

    Args:
        config: The config of the run.
        tasks: The tasks.
        platform: As for `compute_dtype`.
    """
    model = build(
        config.model.name,
        [(task.name, len(task.classes)) for task in tasks],
        dtype=compute_dtype(config.model.dtype, platform),
        conv_general_dilated=conv_general_dilated,
    )
    return model.clone(synchronized=config.model.batch_norm == "synchronized")


def check_stage(config: Config, stages: tuple[str, ...]) -> None:
    """Checks that the stage to train from is one of the model's, and not the first.

    Args:
        config: The config of the run.
        stages: Those of the model.

    Raises:
        UserError: If it is not.
    """
    stage = config.ensemble.train_from
    if stage == stages[0]:
        raise UserError(f"`train_from` {stage} trains everything: omit it")
    if stage == "heads":
        raise UserError("`train_from` heads trains the heads alone: write `base` frozen")
    if stage and stage not in stages:
        raise UserError(
            f"`train_from` {stage}: {config.model.name} has no such stage: "
            f"{remedy(stage, stages[1:])}"
        )


def compute_dtype(name: str, platform: str | None = None) -> Any:
    """Returns the type of the computation; "auto" is float32 on a CPU, bfloat16 elsewhere.

    Args:
        name: As in the config.
        platform: The platform that computes (None: that of this process).
    """
    if name == "auto":
        on_cpu = (platform or jax.default_backend()) == "cpu"
        return jnp.float32 if on_cpu else jnp.bfloat16
    return jnp.dtype(name)


def build_optimizer(optim: Optim, steps: int) -> optax.GradientTransformation:
    """Returns the optimizer, with its learning rate scheduled over `steps` steps."""
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
    members: int | None = None,
    shardings: State | None = None,
) -> State:
    """Returns the state before training; member k draws its weights from `fold_in(key, k)`.

    With `base = "shared"`, all members start from the trunk of the first one and differ in
    their heads (the paper's "one base, N heads"), and so they do with `weights`. With
    `base = "frozen"` or `train_from`, the frozen stages of `weights` are kept once, and members
    have only the layers above them.

    Args:
        config: The config of the run.
        model: The model of one member.
        optimizer: The optimizer of one member.
        key: The key of the random weights.
        weights: Variables below the heads, without a member axis, that all members start from.
        members: The number of members (None: those of the config and its baseline).
        shardings: Of each field over the devices of a mesh (None: one device).

    Raises:
        ValueError: If stages are frozen and there are no weights.
    """
    stage = config.frozen_below
    if stage and weights is None:
        raise ValueError("frozen stages need the weights of a trunk: give weights")
    size = config.data.image_size
    images = jnp.zeros((1, size, size, 3))
    # The weights don't depend on any convolution, and XLA leaves those of the plain model out.
    plain = model.clone(conv_general_dilated=jax.lax.conv_general_dilated)

    def all_members(members: Array, weights: Any) -> State:
        trunk = split_at(model, weights, stage)[0] if stage else None

        def one(member: Array) -> State:
            variables = plain.init(jax.random.fold_in(key, member), images)
            variables = _replaced(variables, weights or {})
            if stage:
                _, variables = split_at(model, variables, stage)
            stats = variables.get("batch_stats", {})
            return State(variables["params"], stats, (), jnp.int32(TRAINING))

        state = jax.vmap(one)(members)
        if config.ensemble.base == "shared":
            shared = jax.tree.map(lambda x: jnp.broadcast_to(x[:1], x.shape), state.params["trunk"])
            state = state._replace(params={**state.params, "trunk": shared})
        opt_state = jax.vmap(optimizer.init)(state.params)
        # Copies, since a training step reuses its state's buffers.
        return state._replace(opt_state=opt_state, trunk=jax.tree.map(jnp.copy, trunk))

    count = trained_members(config) if members is None else members
    return jax.jit(all_members, out_shardings=shardings)(np.arange(count), weights)


def _replaced(variables: Any, weights: Any) -> Any:
    """Replaces the parts of a member's variables that `weights` has too."""
    return {
        name: {part: weights.get(name, {}).get(part, drawn) for part, drawn in parts.items()}
        for name, parts in variables.items()
    }
