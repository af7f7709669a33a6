"""The number that a perturbation curve follows: of a class, a contrast or a function of logits."""

from collections.abc import Callable

import jax
from jax import Array
from jaxtyping import Float

from jaxens.arrays import check_one_logit, to_float32
from jaxens.targets import Contrast, Targets, check_targets, select

Output = Callable[[Array], Array]


def check(targets: Targets, images: int, output: Output) -> None:
    """Checks types and shapes before the model is called.

    Raises:
        ValueError: For classes as in `check_targets`, or if `output` comes with a target that has
            no use for it.
    """
    check_targets(targets, images)
    if (isinstance(targets, Contrast) or callable(targets)) and output is not jax.nn.softmax:
        raise ValueError(
            "output is for classes, and targets is a contrast or a function: leave output out, or "
            "give the function of the logits to be measured as targets"
        )


def measure(
    logits: Float[Array, "image step class"], targets: Targets, output: Output
) -> Float[Array, "image step"]:
    """Returns the value that is measured at each step; see `insertion`.

    Raises:
        ValueError: If a class does not exist, a function returns another shape than [image], or
            `output` of one logit is the same for every image.
    """

    def at_one_step(logits: Float[Array, "image class"]) -> Float[Array, " image"]:
        if isinstance(targets, Contrast):
            return jax.nn.sigmoid(select(logits, targets))
        return select(logits if callable(targets) else to_float32(output(logits)), targets)

    if not callable(targets) and not isinstance(targets, Contrast) and logits.shape[-1] == 1:
        check_one_logit(output, "output=jax.nn.sigmoid")
    return jax.vmap(at_one_step, in_axes=1, out_axes=1)(logits)
