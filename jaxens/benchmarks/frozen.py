"""Heads on a frozen trunk, beside full training."""

from jaxens.benchmarks.results import Results, Row
from jaxens.benchmarks.rounds import in_turn
from jaxens.benchmarks.steps import together
from jaxens.benchmarks.subject import Dtype, Subject
from jaxens.training.settings import ModelName

FULL = "full training"
PER_STEP, PER_RUN = "trunk once per step", "trunk once per run"


def frozen(
    model: ModelName = "resnet18",
    members: int = 11,
    image_size: int = 64,
    batch_size: int = 16,
    rounds: int = 5,
    dtype: Dtype = "auto",
) -> list[Results]:
    """A step of heads on a frozen trunk, beside one of whole members."""
    own = Subject.make(model, members, image_size, batch_size, dtype)
    heads = Subject.make(model, members, image_size, batch_size, dtype, base="frozen")
    ways = {
        FULL: together(own),
        PER_STEP: together(heads),
        PER_RUN: together(heads, embedded=True),
    }
    images = members * batch_size
    flop = {FULL: images * own.work.training, PER_STEP: batch_size * own.work.forward}
    timed = in_turn({by: way.call for by, way in ways.items()}, rounds)
    timed = {by: each.part(ways[by].steps) for by, each in timed.items()}
    return [
        Results(
            f"Training, {own.describe()}, whole or heads on a frozen trunk",
            "member-images",
            "how many times as fast as full training",
            [
                Row(
                    "training step",
                    by,
                    each,
                    items=images,
                    flop=flop.get(by),
                    dtype=own.dtype,
                    traffic=ways[by].traffic,
                    memory=ways[by].memory,
                    compiling=ways[by].compiling,
                    ratio=None if by == FULL else timed[FULL].median / each.median,
                )
                for by, each in timed.items()
            ],
            (
                "Once per step: the trunk sees each image once for all members, as where pictures "
                "are changed at random; once per run: what it makes of them was kept",
                "FLOP: of full training as in other tables; otherwise of the trunk's forward pass, "
                "without heads",
                "Memory: of the compiled step",
            ),
        )
    ]
