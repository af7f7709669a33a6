"""Heads on a frozen trunk, next to full training."""

from jaxens.benchmarks.options import Frozen
from jaxens.benchmarks.results import Results, Row
from jaxens.benchmarks.rounds import in_turn
from jaxens.benchmarks.steps import together
from jaxens.benchmarks.subject import Subject

FULL = "full training"
PER_STEP, PER_RUN = "trunk once per step", "trunk once per run"


def frozen(options: Frozen) -> list[Results]:
    """Measures a step of heads on a frozen trunk, next to one of whole members."""
    settings = (
        options.model,
        options.members,
        options.image_size,
        options.batch_size,
        options.dtype,
    )
    full, heads = Subject.make(*settings), Subject.make(*settings, base="frozen")
    sides = {
        FULL: together(full),
        PER_STEP: together(heads),
        PER_RUN: together(heads, precomputed=True),
    }
    images = options.members * options.batch_size
    flop = {FULL: images * full.work.training, PER_STEP: options.batch_size * full.work.forward}
    timed = in_turn({by: side.call for by, side in sides.items()}, options.rounds)
    timed = {by: times.part(sides[by].steps) for by, times in timed.items()}
    return [
        Results(
            f"Training, {full.describe()}, whole members or heads on a frozen trunk",
            "member-images",
            "how many times as fast as full training",
            [
                Row(
                    "training step",
                    by,
                    times,
                    items=images,
                    flop=flop.get(by),
                    dtype=full.dtype,
                    traffic=sides[by].traffic,
                    memory=sides[by].memory,
                    compiling=sides[by].compiling,
                    ratio=None if by == FULL else timed[FULL].median / times.median,
                )
                for by, times in timed.items()
            ],
            (
                "Once per step: the trunk computes each image's features once for all members, as "
                "with augmentation; once per run: features are computed before training",
                "FLOP: of full training as in other tables; otherwise of the trunk's forward pass, "
                "without heads",
                "Memory: of the compiled step",
            ),
        )
    ]
