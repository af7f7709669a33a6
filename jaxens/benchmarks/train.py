"""A training step of all members, next to PyTorch's loop over members."""

from collections.abc import Callable
from typing import Any

from jaxens.benchmarks.options import Train
from jaxens.benchmarks.profile import profiled
from jaxens.benchmarks.results import JAXENS, Report, Results, Row, ratio_to_fastest, times_as_fast
from jaxens.benchmarks.rounds import in_turn
from jaxens.benchmarks.steps import together
from jaxens.benchmarks.subject import Subject
from jaxens.models.flops import FORMULA


def train(options: Train) -> list[Report]:
    """Measures one step of all members."""
    subject = Subject.make(
        options.model, options.members, options.image_size, options.batch_size, options.dtype
    )
    images = options.members * options.batch_size
    ours = together(subject)
    sides: dict[str, Callable[[], Any]] = {JAXENS: ours.call}
    if options.against:
        from jaxens.benchmarks.torch_side import training_sides

        sides |= training_sides(subject)
    timed = in_turn(sides, options.rounds)
    timed[JAXENS] = timed[JAXENS].part(ours.steps)

    def row(by: str) -> Row:
        is_ours = by == JAXENS
        return Row(
            "training step",
            by,
            timed[by],
            items=images,
            flop=images * subject.work.training,
            dtype=subject.dtype,
            traffic=ours.traffic if is_ours else None,
            memory=ours.memory if is_ours else None,
            compiling=ours.compiling if is_ours else None,
            ratio=times_as_fast(timed, by),
        )

    results = Results(
        f"Training, {subject.describe()}",
        "member-images",
        ratio_to_fastest(timed),
        [row(by) for by in timed],
        (FORMULA, "AdamW and cross-entropy, no augmentation", "Memory: of the compiled step"),
    )
    if not options.profile:
        return [results]
    title = f"The step by operation, {subject.describe()}"
    return [results, profiled(title, ours.call, ours.steps)]
