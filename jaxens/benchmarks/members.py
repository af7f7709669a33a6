"""Cost of a member as their number grows: a step of all, next to as many steps of one."""

from jaxens.benchmarks.options import Members
from jaxens.benchmarks.results import Results, Row
from jaxens.benchmarks.rounds import in_turn
from jaxens.benchmarks.steps import one_by_one, together
from jaxens.benchmarks.subject import Subject
from jaxens.models.flops import FORMULA

AT_ONCE, SINGLE = "a step of all", "as many single steps"


def members(options: Members) -> list[Results]:
    """Measures both ways for each number of members."""
    model, image_size, batch_size = options.model, options.image_size, options.batch_size
    rows = []
    for size in options.sizes:
        subject = Subject.make(model, size, image_size, batch_size, options.dtype)
        sides = {AT_ONCE: together(subject), SINGLE: one_by_one(subject)}
        timed = in_turn({by: side.call for by, side in sides.items()}, options.rounds)
        timed = {by: times.part(sides[by].steps) for by, times in timed.items()}
        rows += [
            Row(
                f"{size} member{'s' * (size > 1)}",
                by,
                timed[by],
                items=size * batch_size,
                flop=size * batch_size * subject.work.training,
                dtype=subject.dtype,
                traffic=side.traffic,
                memory=side.memory,
                compiling=side.compiling,
                ratio=timed[SINGLE].median / timed[AT_ONCE].median if by == AT_ONCE else None,
            )
            for by, side in sides.items()
        ]
    return [
        Results(
            f"Training as members grow, {model}, {batch_size} images of {image_size} px, "
            f"{subject.dtype}",
            "member-images",
            "how many times as fast as single steps",
            rows,
            (FORMULA, "Memory: of the compiled step"),
        )
    ]
