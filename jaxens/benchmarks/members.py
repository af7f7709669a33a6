"""What a member costs as members grow: a step of all beside as many steps of one."""

from jaxens.benchmarks.flops import FORMULA
from jaxens.benchmarks.results import Results, Row
from jaxens.benchmarks.rounds import in_turn
from jaxens.benchmarks.steps import one_by_one, together
from jaxens.benchmarks.subject import Dtype, Subject
from jaxens.training.settings import ModelName

AT_ONCE, SINGLE = "a step of all", "as many single steps"


def members(
    model: ModelName = "resnet18",
    sizes: tuple[int, ...] = (1, 2, 4, 8, 11, 16),
    image_size: int = 64,
    batch_size: int = 16,
    rounds: int = 5,
    dtype: Dtype = "auto",
) -> list[Results]:
    """A training step of all members at once, and of one after another, for each number."""
    rows = []
    for size in sizes:
        subject = Subject.make(model, size, image_size, batch_size, dtype)
        ways = {AT_ONCE: together(subject), SINGLE: one_by_one(subject)}
        timed = in_turn({by: way.call for by, way in ways.items()}, rounds)
        timed = {by: each.part(ways[by].steps) for by, each in timed.items()}
        rows += [
            Row(
                f"{size} member{'s' * (size > 1)}",
                by,
                timed[by],
                items=size * batch_size,
                flop=size * batch_size * subject.work.training,
                dtype=subject.dtype,
                traffic=way.traffic,
                memory=way.memory,
                compiling=way.compiling,
                ratio=timed[SINGLE].median / timed[AT_ONCE].median if by == AT_ONCE else None,
            )
            for by, way in ways.items()
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
