"""Gradient methods for all members at once, next to Captum's loop over members."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, get_args

import numpy as np

from jaxens import attribution
from jaxens.benchmarks.options import Explain, MethodName
from jaxens.benchmarks.profile import profiled
from jaxens.benchmarks.results import JAXENS, Report, Results, Row, fastest, times_as_fast
from jaxens.benchmarks.rounds import Timed, in_turn
from jaxens.benchmarks.subject import TASK, Subject
from jaxens.evaluation.maps import Explainer
from jaxens.evaluation.settings import MethodSettings
from jaxens.models.flops import Work

METHODS = get_args(MethodName)
Sides = dict[tuple[str, str], Callable[[], object]]  # by method and implementation
TOGETHER, ONE_BY_ONE = "together", "Captum, method by method, the faster variant of each"

FLOP_NOTE = (
    "FLOP: 2 per multiply-add of convolutions and matrix products; a gradient by the image counts "
    "the forward pass twice, Grad-CAM once"
)


def explain(options: Explain) -> list[Report]:
    """Measures maps of all members by each method, and by all methods in one program."""
    subject = Subject.make(
        options.model, options.members, options.image_size, options.images, options.dtype
    )
    sides = jaxens_sides(subject, options.methods)
    if options.against:
        from jaxens.benchmarks.captum_side import explaining_sides

        sides |= explaining_sides(subject, options.methods)
    results = _results(subject, options.methods, in_turn(sides, options.rounds))
    if not options.profile:
        return [results]
    title = f"The methods together by operation, {subject.describe()}"
    return [results, profiled(title, sides[TOGETHER, JAXENS], 1)]


def jaxens_sides(subject: Subject, methods: Sequence[str]) -> Sides:
    """Functions that return all members' maps, of each method and of all in one program."""
    explainer = Explainer(
        subject.ensemble(),
        subject.config.data.image_size,
        MethodSettings(),
        np.asarray(subject.images),
    )
    images: Any = subject.images  # on the device already, as PyTorch's are
    maps = partial(
        explainer.maps,
        images=images,
        ids=np.arange(len(subject.images)),
        targets=np.asarray(subject.labels),
        task=TASK.name,
    )
    sides: Sides = {(method, JAXENS): partial(maps, [method]) for method in methods}
    return sides | {(TOGETHER, JAXENS): partial(maps, methods)}


def _results(
    subject: Subject, methods: Sequence[str], timed: dict[tuple[str, str], Timed]
) -> Results:
    by_method = {
        name: {by: times for (what, by), times in timed.items() if what == name}
        for name in (*methods, TOGETHER)
    }
    others = []
    for method in methods:
        sides = by_method[method]
        if best := fastest(sides):
            others.append(sides[best])
    if others:
        by_method[TOGETHER][ONE_BY_ONE] = _total(others)
    maps = subject.members * len(subject.images)

    def row(what: str, by: str) -> Row:
        sides = by_method[what]
        return Row(
            what,
            by,
            sides[by],
            items=maps * (len(methods) if what == TOGETHER else 1),
            flop=None if what == TOGETHER else maps * flop_of(what, subject.work),
            dtype=subject.dtype,
            compiling=sides[by].compiling if by == JAXENS else None,
            ratio=times_as_fast(sides, by),
        )

    return Results(
        f"Explanations, {subject.describe()}",
        "maps",
        "how many times as fast as Captum's faster variant",
        [row(what, by) for what, sides in by_method.items() for by in sides],
        (FLOP_NOTE,),
    )


def _total(methods: Sequence[Timed]) -> Timed:
    """Returns the time of all methods, round by round."""
    rounds = zip(*(timed.rounds for timed in methods), strict=True)
    return Timed(sum(timed.first for timed in methods), tuple(map(sum, rounds)))


def flop_of(method: str, work: Work) -> float:
    """Returns the FLOP of one map by a method of `jaxens.attribution`, with its usual settings."""
    needs = attribution.METHODS[method].needs
    whole = "logits_fn" in needs or "guided_logits_fn" in needs
    pass_flop = work.input_gradient if attribution.METHODS[method].gradients else work.forward
    passes = MethodSettings().passes(method) * pass_flop if whole else 0
    return passes + (work.forward if "features_fn" in needs else 0)
