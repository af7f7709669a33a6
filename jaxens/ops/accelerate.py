"""Run any JAX function with the convolutions and max pooling of `jaxens.ops` on a CPU.

The function is traced to a jaxpr. In it, each convolution and max pooling that `jaxens.ops`
computes faster on a CPU is replaced by an equation of the same operands and the same type. All
others stay as they are, and so do control flow, custom gradients, donation, shardings and effects.
XLA compiles ours for a CPU, and the other elsewhere (`jaxens.platforms`).
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, jaxpr_as_fun, primitives

from jaxens.ops.conv import MOST_PLACES, conv_general_dilated
from jaxens.ops.pool import pool_windows
from jaxens.platforms import by_platform

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
FLOATS = {jnp.dtype(name) for name in ("float16", "bfloat16", "float32", "float64")}
LARGEST_POOL = 8  # pixels of a window's side: each is a slice of the images

# Rewritten jaxprs, None if nothing changes. JAX compiles one jaxpr once, even if it occurs often,
# so each has to be rewritten once as well.
_rewritten: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()


def accelerate(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function with the values and gradients of `fn`, up to rounding, faster on a CPU.

    It replaces two-dimensional convolutions with one group, depthwise ones, and max pooling, of
    floating-point images in any layout. Transposed convolutions, those with other groups and those
    with very large windows stay as they are, and so does everything on other platforms than a CPU.

    Apply it to a model of a batch of images, before `jax.grad` and before `jax.vmap` over members:
    `jax.grad(loss_of(accelerate(model)))`. The other way round is right too, but convolutions that
    have become a gradient or a group of members are left to XLA. If the model takes one image,
    apply it to `jax.vmap(model, (None, 0))`: with `jax.vmap` outside, a kernel's gradient is
    computed for each image on its own.

    `fn` is traced at each call, as by `jax.jit`, and must not depend on the values of arrays or
    write to an object. Put `jax.jit` around the result, so that this happens once. With
    `jax.disable_jit`, it is called as it is. Forward mode (`jax.jvp`, `jax.linearize`,
    `jax.jacfwd`, `jax.hessian`) raises JAX's error for `custom_vjp`, on all platforms.

    Rules of `custom_jvp` and `custom_vjp`, and the inside of `jax.shard_map`, are left as they are.
    Where Winograd's algorithm is used (`jaxens.ops.conv_general_dilated`), a pixel that is not
    finite also reaches results next to the windows that contain it.

    Args:
        fn: Any function of pytrees, such as `model.apply` of Flax, or a model of NNX or Equinox.
            Leaves of its arguments and results that are no JAX arrays pass through unchanged.
    """

    @functools.wraps(fn, updated=())
    def accelerated(*args: Any, **kwargs: Any) -> Any:
        if jax.config.jax_disable_jit:  # type: ignore[attr-defined]
            return fn(*args, **kwargs)
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
    others = [None if isinstance(leaf, jax.Array) else leaf for leaf in leaves]
    places = [i for i, leaf in enumerate(leaves) if isinstance(leaf, jax.Array)]

    def merge(arrays: Sequence[Any]) -> Any:
        merged = dict(enumerate(others)) | dict(zip(places, arrays, strict=True))
        return jax.tree.unflatten(structure, merged.values())

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
    if not isinstance(value, Jaxpr):  # newer releases of JAX have one class for both
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
    if eqn.primitive is primitives.conv_general_dilated_p:
        return _replace(eqn, _can_convolve, _convolve)
    if eqn.primitive is primitives.reduce_window_max_p:
        return _replace(eqn, _can_pool, _pool)
    return eqn


def _replace(eqn: JaxprEqn, can: Callable[..., bool], ours: Callable[..., Array]) -> JaxprEqn:
    """Returns a call of `_on_cpu` with the operands of an equation, or the equation itself."""
    types: list[Any] = [v.aval for v in eqn.invars]
    # Where operands are sharded over Explicit axes, our reshapes can be ambiguous.
    explicit = any(axis is not None for aval in types for axis in aval.sharding.spec)
    if explicit or not can(*types, **eqn.params):
        return eqn
    call = functools.partial(_on_cpu, ours, eqn.primitive, tuple(eqn.params.items()))
    (new,) = jax.make_jaxpr(call)(*types).eqns
    if [v.aval for v in new.invars + new.outvars] != types + [v.aval for v in eqn.outvars]:
        return eqn
    _rewritten[new.params["jaxpr"]] = None  # for `accelerate` of an accelerated function
    return eqn.replace(primitive=new.primitive, params=new.params)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _on_cpu(ours: Callable[..., Array], primitive: Any, params: Any, *operands: Array) -> Array:
    """Returns ours on a CPU, what the primitive computes elsewhere. Cached by `jax.jit`."""
    settings = dict(params)
    choice = by_platform(
        cpu=functools.partial(ours, **settings),
        elsewhere=functools.partial(primitive.bind, **settings),
    )
    return choice(*operands)


def _can_convolve(images: Any, kernel: Any, **params: Any) -> bool:
    """Returns whether `jaxens.ops` is faster, for one member or under `vmap` over members."""
    lhs, rhs, out = params["dimension_numbers"]
    dtypes = {images.dtype, kernel.dtype, params["preferred_element_type"] or images.dtype}
    groups = params["feature_group_count"]
    depthwise = kernel.shape[rhs[1]] == 1 and kernel.shape[rhs[0]] == groups
    return (
        len(images.shape) == 4
        and len(dtypes) == 1 == len(dtypes & FLOATS)
        and params["batch_group_count"] == 1
        and (groups == 1 or (depthwise and {*params["rhs_dilation"]} == {1}))
        and {*params["lhs_dilation"]} == {1}
        and math.prod(kernel.shape[axis] for axis in rhs[2:]) <= MOST_PLACES
        and np.min(params["padding"]) >= 0
        and lhs[0] == out[0] == 0  # else it is the gradient of a kernel, whose windows are large
    )


def _convolve(images: Array, kernel: Array, **params: Any) -> Array:
    # Channels last: XLA:CPU itself convolves in this layout.
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
        images.dtype in FLOATS
        and {*params["base_dilation"], *params["window_dilation"]} == {1}
        and max(params["window_dimensions"]) <= LARGEST_POOL
        and np.min(params["padding"]) >= 0
        and all(
            size + low + high >= window  # else the result is empty
            for size, (low, high), window in zip(
                images.shape, params["padding"], params["window_dimensions"], strict=True
            )
        )
    )


def _pool(x: Array, window_dimensions: Any, window_strides: Any, padding: Any, **_: Any) -> Array:
    return pool_windows(x, window_dimensions, window_strides, padding)
