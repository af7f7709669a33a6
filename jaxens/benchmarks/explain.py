"""Explanations by gradient methods, all members at once, beside Captum's of one after another."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from jaxens import attribution
from jaxens.benchmarks.flops import Work
from jaxens.benchmarks.profile import profiled
from jaxens.benchmarks.results import JAXENS, Results, Row, Shown, fastest, times_as_fast
from jaxens.benchmarks.rounds import Timed, in_turn
from jaxens.benchmarks.subject import TASK, Dtype, Subject
from jaxens.evaluation.explainer import Explainer
from jaxens.evaluation.settings import MethodSettings
from jaxens.training.settings import ModelName

METHODS = (
    "saliency",
    "input_x_gradient",
    "integrated_gradients",
    "gradient_shap",
    "grad_cam",
    "guided_backprop",
    "guided_grad_cam",
)
Sides = dict[tuple[str, str], Callable[[], object]]  # by the names of the method and the way
TOGETHER, ONE_BY_ONE = "together", "Captum, method by method, the faster way of each"
FORMULA = (
    "FLOP: 2 per multiply-add of convolutions and dense layers; a gradient by the image counts the "
    "forward pass twice, Grad-CAM once"
)
EFFECTIVE = (
    "FLOP of integrated gradients are, on all sides, those of the method written plainly: whole "
    "passes at every point. jaxens computes the first layers, as far as they are affine, at both "
    "ends of the line only: its GFLOP/s, and its share of the ceiling, are effective ones"
)


def explain(
    model: ModelName = "resnet18",
    members: int = 11,
    image_size: int = 64,
    images: int = 4,
    methods: Sequence[str] = METHODS[:5],
    rounds: int = 5,
    dtype: Dtype = "auto",
    against: str | None = None,
    profile: bool = False,
) -> list[Shown]:
    """Maps of all members by each method; `against` names what it is compared with."""
    subject = Subject.make(model, members, image_size, images, dtype)
    sides = ours(subject, methods)
    if against:
        from jaxens.benchmarks.captum_side import explaining_sides

        sides |= explaining_sides(subject, methods)
    timed = in_turn(sides, rounds)
    found = _results(subject, methods, timed)
    if not profile:
        return [found]
    title = f"Our methods together by operation, {subject.describe()}"
    return [found, profiled(title, sides[TOGETHER, JAXENS], 1)]


def ours(subject: Subject, methods: Sequence[str]) -> Sides:
    """All members' maps by each method, and by all in one program, as an evaluation has them."""
    explainer = Explainer(
        subject.ensemble(),
        subject.config.data.image_size,
        MethodSettings(),
        np.asarray(subject.images),
    )
    pictures: Any = subject.images  # on the device already, as they are on the other side
    maps = partial(
        explainer.maps,
        images=pictures,
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
        name: {by: each for (what, by), each in timed.items() if what == name}
        for name in (*methods, TOGETHER)
    }
    others = [sides[best] for m in methods if (best := fastest(sides := by_method[m]))]
    if others:
        by_method[TOGETHER][ONE_BY_ONE] = _sum(others)
    maps = subject.members * len(subject.images)
    # A rounding to bfloat16 is not affine: the images themselves are then where the split ends.
    split = "integrated_gradients" in methods and subject.dtype == "float32"

    def row(what: str, by: str) -> Row:
        sides = by_method[what]
        return Row(
            what,
            by,
            sides[by],
            items=maps * (len(methods) if what == TOGETHER else 1),
            flop=None if what == TOGETHER else maps * _flop(what, subject.work),
            dtype=subject.dtype,
            compiling=sides[by].compiling if by == JAXENS else None,
            ratio=times_as_fast(sides, by),
        )

    return Results(
        f"Explanations, {subject.describe()}",
        "maps",
        "how many times as fast as Captum's faster way",
        [row(what, by) for what, sides in by_method.items() for by in sides],
        (FORMULA, *([EFFECTIVE] if split else [])),
    )


def _sum(methods: Sequence[Timed]) -> Timed:
    """The time of methods one after another, round by round."""
    rounds = zip(*(each.rounds for each in methods), strict=True)
    return Timed(sum(each.first for each in methods), tuple(map(sum, rounds)))


def _flop(method: str, work: Work) -> float:
    """Of one map."""
    settings = attribution.METHODS[method].settings
    passes = {
        "integrated_gradients": settings.get("steps"),
        "gradient_shap": settings.get("samples"),
    }
    if method == "grad_cam":
        return work.forward
    own = passes.get(method) or 1
    return own * work.input_gradient + (work.forward if method == "guided_grad_cam" else 0)
