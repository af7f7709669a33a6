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
    settings: dict[str, Any] = {}
    if "chunk" in row.settings:
        fitting = AT_ONCE * (64 / subject.images.shape[1]) ** 2 / len(subject.images)
        least = -(-MethodSettings().passes(method) // CALLS)
        settings["chunk"] = max(least, round(fitting))
    if "segments" in row.settings:
        settings["segments"] = np.broadcast_to(_segments(subject), subject.images.shape[:3])
    if "key" in row.settings:
        settings["key"] = jax.random.key(0)

    @jax.jit
    def maps(variables: Any, images: Array, targets: Array) -> Array:
        functions = {name: changed(fn) for name, fn in subject.functions(variables).items()}
        background = {"baselines": images} if row.needs_background else {}  # as for Captum
        return attribution.attribute(
            method, Network(**functions), images, targets, **settings | background
        )

    (variables,) = subject.networks()
    return partial(maps, variables)


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
