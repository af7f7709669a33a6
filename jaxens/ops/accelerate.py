"""Run any JAX function with the convolutions and max pooling of `jaxens.ops` on a CPU.

The function is traced to a jaxpr. In it, each convolution and max pooling that `jaxens.ops`
computes faster on a CPU is replaced by an equation of the same operands and the same type; all
other equations stay the objects that they were. So control flow, custom gradients, donation,
shardings and effects are not touched.

The choice between both is `lax.platform_dependent`: lowered for a CPU, it is ours; lowered for
anything else, it is the equation as it was. XLA never sees it.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, jaxpr_as_fun, primitives

from jaxens.ops.conv import conv_general_dilated
from jaxens.ops.pool import pool_windows

# Equations whose inner jaxprs are rewritten. The gradient rule of a `custom_jvp` or `custom_vjp` is
# a function, not a jaxpr, and stays the user's.
OUTER = {
    primitives.closed_call_p,
    primitives.cond_p,
    primitives.custom_jvp_call_p,
    primitives.custom_vjp_call_p,
    primitives.jit_p,
    primitives.remat_p,
    primitives.scan_p,
    primitives.while_p,
}
LARGEST_POOL = 8  # pixels of a window's side: each is a slice

# Rewritten jaxprs, None if nothing changes. JAX compiles one jaxpr once, even if it occurs often,
# so each has to be rewritten once as well.
_rewritten: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def accelerate(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function with the values and gradients of `fn`, up to rounding, faster on a CPU.

    It replaces two-dimensional convolutions with one group, depthwise ones, and max pooling, of
    floating-point images in any layout. Transposed convolutions and those with other groups stay
    as they are, and so does everything on other platforms than a CPU.

    Apply it to the model, before `jax.grad` and before `jax.vmap` over members:
    `jax.grad(loss_of(accelerate(model)))`. The other way round is right too, but convolutions that
    have become a gradient or a group of members are left to XLA.

    `fn` is traced at each call, as by `jax.jit`, and must not depend on the values of arrays or
    write to an object. Put `jax.jit` around the result, so that this happens once. Forward mode
    (`jax.jvp`, `jax.linearize`, `jax.jacfwd`, `jax.hessian`) raises JAX's error for `custom_vjp`.

    Rules of `custom_jvp` and `custom_vjp`, and the inside of `jax.shard_map`, are left as they are.

    Args:
        fn: Any function of pytrees, such as `model.apply` of Flax, or a model of NNX or Equinox.
            Leaves of its arguments and results that are no JAX arrays pass through unchanged.
    """

    @functools.wraps(fn, updated=())
    def accelerated(*args: Any, **kwargs: Any) -> Any:
        arrays, merge_inputs = _split((args, kwargs))
        merge_outputs: list[Callable[[Sequence[Any]], Any]] = []

        def arrays_of_fn(*arrays: Array) -> list[Array]:
            args, kwargs = merge_inputs(arrays)
            outputs, merge = _split(fn(*args, **kwargs))
            merge_outputs.append(merge)
            return outputs

        jaxpr = jax.make_jaxpr(arrays_of_fn)(*arrays)
        return merge_outputs[0](jaxpr_as_fun(_rewrite(jaxpr))(*arrays))

    return accelerated


def _split(tree: Any) -> tuple[list[Array], Callable[[Sequence[Any]], Any]]:
    """Returns the JAX arrays of a tree, and the function that puts others in their places."""
    leaves, structure = jax.tree.flatten(tree)
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]
    rest = [None if isinstance(leaf, jax.Array) else leaf for leaf in leaves]

    def merge(arrays: Sequence[Any]) -> Any:
        merged = list(rest)
        for place, array in zip(places, arrays, strict=True):
            merged[place] = array
        return jax.tree.unflatten(structure, merged)

    return [leaves[i] for i in places], merge


def _rewrite(value: Any) -> Any:
    """Returns a jaxpr, or a parameter of an equation, rewritten; the same object if unchanged."""
    if isinstance(value, tuple):
        items = tuple(map(_rewrite, value))
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if not isinstance(value, Jaxpr | ClosedJaxpr):
        return value
    if value not in _rewritten:
        _rewritten[value] = _rewrite_jaxpr(value)
    return _rewritten[value] or value


def _rewrite_jaxpr(value: Jaxpr | ClosedJaxpr) -> Jaxpr | ClosedJaxpr | None:
    if isinstance(value, ClosedJaxpr):
        jaxpr = _rewrite(value.jaxpr)
        return None if jaxpr is value.jaxpr else value.replace(jaxpr=jaxpr)
    equations = [_rewrite_equation(eqn) for eqn in value.eqns]
    if all(a is b for a, b in zip(equations, value.eqns, strict=True)):
        return None
    return value.replace(eqns=equations)


def _rewrite_equation(eqn: JaxprEqn) -> JaxprEqn:
    if eqn.primitive in OUTER:
        params = {name: _rewrite(value) for name, value in eqn.params.items()}
        changed = any(params[name] is not value for name, value in eqn.params.items())
        return eqn.replace(params=params) if changed else eqn
    replacement = {
        primitives.conv_general_dilated_p: (_can_convolve, _convolve),
        primitives.reduce_window_max_p: (_can_pool, _pool),
    }.get(eqn.primitive)
    types = [v.aval for v in eqn.invars]
    if replacement is None or not replacement[0](*types, **eqn.params):
        return eqn
    if any(axis is not None for aval in types for axis in aval.sharding.spec):
        return eqn  # sharded over Explicit axes, where a reshape can be ambiguous
    call = functools.partial(_on_cpu, replacement[1], eqn.primitive, tuple(eqn.params.items()))
    (new,) = jax.make_jaxpr(call)(*types).eqns
    if [v.aval for v in new.invars + new.outvars] != types + [v.aval for v in eqn.outvars]:
        return eqn
    return eqn.replace(primitive=new.primitive, params=new.params)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _on_cpu(ours: Callable[..., Array], primitive: Any, params: Any, *operands: Array) -> Array:
    """Returns ours on a CPU, what the primitive computes elsewhere. Cached by `jax.jit`."""
    settings = dict(params)
    return lax.platform_dependent(
        *operands,
        cpu=functools.partial(ours, **settings),
        default=functools.partial(primitive.bind, **settings),
    )


def _can_convolve(images: Any, kernel: Any, **params: Any) -> bool:
    """Returns whether `jaxens.ops` is faster, in one member or under `vmap` over members."""
    lhs, rhs, out = params["dimension_numbers"]
    groups = params["feature_group_count"]
    depthwise = kernel.shape[rhs[1]] == 1 and kernel.shape[rhs[0]] == groups
    return (
        len(images.shape) == 4
        and jnp.issubdtype(images.dtype, jnp.floating)
        and images.dtype == kernel.dtype
        and params["preferred_element_type"] in {None, images.dtype}
        and params["batch_group_count"] == 1
        and (groups == 1 or (depthwise and {*params["rhs_dilation"]} == {1}))
        and {*params["lhs_dilation"]} == {1}
        and min(pad for pads in params["padding"] for pad in pads) >= 0
        # The gradient of a kernel has batch and channels exchanged, and windows like images.
        and lhs[0] == out[0] == 0
    )


def _convolve(images: Array, kernel: Array, **params: Any) -> Array:
    # Channels last. XLA:CPU itself convolves in this layout.
    (n, c, *space), (o, i, *window), (out_n, out_c, *out_space) = params["dimension_numbers"]
    result = conv_general_dilated(
        images.transpose(n, *space, c),
        kernel.transpose(*window, i, o),
        params["window_strides"],
        params["padding"],
        rhs_dilation=params["rhs_dilation"],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=params["feature_group_count"],
        precision=params["precision"],
    )
    return result.transpose(*np.argsort((out_n, *out_space, out_c)))


def _can_pool(images: Any, **params: Any) -> bool:
    return (
        jnp.issubdtype(images.dtype, jnp.floating)
        and {*params["base_dilation"], *params["window_dilation"]} == {1}
        and max(params["window_dimensions"]) <= LARGEST_POOL
        and min(pad for pads in params["padding"] for pad in pads) >= 0
    )


def _pool(images: Array, **params: Any) -> Array:
    return pool_windows(
        images, params["window_dimensions"], params["window_strides"], params["padding"]
    )
