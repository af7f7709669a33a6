"""A training step of all members, beside PyTorch's of one after another."""

from collections.abc import Callable
from typing import Any

from jaxens.benchmarks.flops import FORMULA
from jaxens.benchmarks.profile import profiled
from jaxens.benchmarks.results import JAXENS, Results, Row, Shown, beside_fastest, times_as_fast
from jaxens.benchmarks.rounds import in_turn
from jaxens.benchmarks.steps import together
from jaxens.benchmarks.subject import Dtype, Subject
from jaxens.training.settings import ModelName


def train(
    model: ModelName = "resnet18",
    members: int = 11,
    image_size: int = 64,
    batch_size: int = 16,
    rounds: int = 5,
    dtype: Dtype = "auto",
    against: str | None = None,
    profile: bool = False,
) -> list[Shown]:
    """One step of all members; `against` names what it is compared with."""
    subject = Subject.make(model, members, image_size, batch_size, dtype)
    ours = together(subject)
    sides: dict[str, Callable[[], Any]] = {JAXENS: ours.call}
    if against:
        from jaxens.benchmarks.torch_side import training_sides

        sides |= training_sides(subject)
    timed = in_turn(sides, rounds)
    timed[JAXENS] = timed[JAXENS].part(ours.steps)

    def row(by: str) -> Row:
        own = by == JAXENS
        return Row(
            "training step",
            by,
            timed[by],
            items=members * batch_size,
            flop=members * batch_size * subject.work.training,
            dtype=subject.dtype,
            traffic=ours.traffic if own else None,
            memory=ours.memory if own else None,
            compiling=ours.compiling if own else None,
            ratio=times_as_fast(timed, by),
        )

    found = Results(
        f"Training, {subject.describe()}",
        "member-images",
        beside_fastest(timed),
        [row(by) for by in timed],
        (FORMULA, "AdamW and cross-entropy, no augmentation", "Memory: of the compiled step"),
    )
    if not profile:
        return [found]
    title = f"Our step by operation, {subject.describe()}"
    return [found, profiled(title, ours.call, ours.steps)]
