"""Times explanations of one network: XLA's convolutions, `accelerate`, and PyTorch."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax import Array
from jaxtyping import Int

from jaxens import attribution
from jaxens.attribution import Network
from jaxens.benchmarks.explain import FLOP_NOTE, flop_of
from jaxens.benchmarks.options import OneNetwork
from jaxens.benchmarks.results import Report, Results, Row
from jaxens.benchmarks.rounds import Timed, in_turn
from jaxens.benchmarks.subject import Explained, Model, Subject
from jaxens.benchmarks.vit import ViTSubject, explains
from jaxens.evaluation.maps import CALLS, GRID
from jaxens.evaluation.settings import MethodSettings
from jaxens.ops import accelerate

PLAIN, ACCELERATED = "jaxens, XLA's convolutions", "jaxens, accelerated"
# One call of the model gets so many images of 64 px, or as many pixels. So does Captum's.
AT_ONCE = 128
DEFAULT_METHODS = ("saliency", "grad_cam", "smooth_grad", "integrated_gradients")


def network(options: OneNetwork) -> list[Report]:
    """Measures one network as a user writes it, with and without `jaxens.ops.accelerate`."""
    subject = _subject(options)
    reports: list[Report] = []
    for method in _methods(options):
        sides = our_sides(subject, method)
        if options.against:
            sides |= _theirs(subject, method)
        reports.append(_results(subject, method, in_turn(sides, options.rounds)))
    return reports


def _subject(options: OneNetwork) -> Explained:
    size, images, dtype = options.image_size, options.images, options.dtype
    if options.model == "vit-s":
        return ViTSubject.make(size, images, dtype)
    ensemble = Subject.make(options.model, 1, size, images, dtype)
    return ensemble.with_convolutions(jax.lax.conv_general_dilated)


def _methods(options: OneNetwork) -> Sequence[str]:
    if options.methods:
        return options.methods
    of_vit = options.model == "vit-s"
    return [method for method in DEFAULT_METHODS if not of_vit or explains(method)]


def our_sides(subject: Explained, method: str) -> dict[str, Callable[[], object]]:
    """Functions that return the maps of the images, with each kind of convolutions."""
    maps = {
        PLAIN: _maps(subject, method, lambda fn: fn),
        ACCELERATED: _maps(subject, method, accelerate),
    }
    return {by: partial(compiled, subject.images, subject.labels) for by, compiled in maps.items()}


def _theirs(subject: Explained, method: str) -> dict[str, Callable[[], object]]:
    """Returns functions of Captum, or of marcotcr/lime, by memory layout of PyTorch."""
    if method == "lime":
        from jaxens.benchmarks.lime_side import lime_sides

        return lime_sides(subject, _segments(subject), MethodSettings().passes(method))
    from jaxens.benchmarks.captum_side import explaining_sides

    return {by: side for (_, by), side in explaining_sides(subject, [method]).items()}


def _segments(subject: Explained) -> Int[np.ndarray, "height width"]:
    """Returns a grid, because superpixels would take the same time on each side."""
    _, height, width, _ = subject.images.shape
    return attribution.grid(height, width, GRID)


def _maps(
    subject: Explained, method: str, changed: Callable[[Model], Model]
) -> Callable[..., Array]:
    row = attribution.METHODS[method]
    images_per_call, chunk = _calls(subject.images.shape, MethodSettings().passes(method))
    settings: dict[str, Any] = {"chunk": chunk} if "chunk" in row.settings else {}
    own: dict[str, Any] = {}  # settings of each image
    if "segments" in row.settings:
        own["segments"] = np.broadcast_to(_segments(subject), subject.images.shape[:3])
        settings["segment_count"] = GRID**2
    if "key" in row.settings:
        own["key"] = attribution.keys_of_images(jax.random.key(0), len(subject.images))

    @jax.jit
    def maps(
        variables: Any, background: Array, images: Array, targets: Array, own: dict[str, Any]
    ) -> Array:
        functions = {name: changed(fn) for name, fn in subject.functions(variables).items()}
        if row.needs_background:
            own = own | {"baselines": background}
        network = Network(**functions)
        return attribution.attribute(method, network, images, targets, **settings, **own)

    (variables,) = subject.networks()
    some = partial(maps, variables, subject.images)  # which are the background for Captum, too
    return lambda images, targets: attribution.in_chunks(
        some, images_per_call, images, targets, own
    )


def _calls(shape: tuple[int, ...], passes: int) -> tuple[int, int]:
    """Returns how many images, and how many steps or samples of each, one call computes.

    Several steps of a few images keep a CPU busier than one step of many, and need less memory.
    """
    fitting, count = AT_ONCE * (64 / shape[1]) ** 2, shape[0]
    if passes == 1:
        return count, 1
    least = -(-passes // CALLS)
    sizes = [size for size in range(1, count + 1) if count % size == 0]  # of equal calls
    images = max(size for size in sizes if size == 1 or size * least <= fitting)
    return images, max(least, round(fitting / images))


def _results(subject: Explained, method: str, timed: dict[str, Timed]) -> Results:
    others = {by: times.median for by, times in timed.items() if by not in (PLAIN, ACCELERATED)}
    reference = min(others.values(), default=timed[PLAIN].median)
    peer = "marcotcr/lime" if method == "lime" else "Captum"
    compared = f"{peer} with its faster layout" if others else "with XLA's convolutions"
    images = len(subject.images)

    def row(by: str) -> Row:
        ours = by in (PLAIN, ACCELERATED)
        return Row(
            method,
            by,
            timed[by],
            items=images,
            flop=images * flop_of(method, subject.work),
            dtype=subject.dtype,
            compiling=timed[by].compiling if ours else None,
            ratio=reference / timed[by].median if ours else None,
        )

    return Results(
        f"{method}, one {subject.describe().partition(' ')[2]}",
        "maps",
        f"how many times as fast as {compared}",
        [row(by) for by in timed],
        (FLOP_NOTE,),
    )
