"""Tells what a training would need, before it starts: memory, work, communication, hours.

    python -m jaxens.plan --model resnet18 --members 11 --on v5e:4x4

compiles the training step of 11 ResNet-18 for 16 chips of a TPU v5e, without one (this needs
`pip install libtpu`).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from jaxens.cli import parser, signals
from jaxens.data.settings import UNSHOWN
from jaxens.errors import UserError
from jaxens.runs.config import file_values
from jaxens.training.settings import Config
from jaxens.urls import check_local


def plan(
    *,
    on: Annotated[str | None, UNSHOWN] = None,
    config: Path | None = None,
    mesh: str | None = None,
    images: int | None = None,
    classes: int | None = None,
    flops: float | None = None,
    bandwidth: float | None = None,
    settings: Annotated[Config, parser.FLAT] = Config(),
) -> None:
    """Tell what a training would need, before it starts: memory, work, communication, hours.

    Args:
        on: cpu, cpu:8, or a topology of TPUs such as v5e:4x4 (default: this machine's devices)
        config: TOML file to start from (see configs/); a flag is a key of its section
        mesh: devices for members and for images, such as member=2,data=4 (default: by rule)
        images: training images (default: those of the data set)
        classes: classes of one task, in place of the data set's tasks; with --images, no data is
            opened
        flops: FLOP per second of a device, for a bound on the hours (default: its data sheet's)
        bandwidth: bytes per second of its memory (default: its data sheet's)
    """
    import jax

    from jaxens.cli import compilation, tables
    from jaxens.cli.console import say, uncut
    from jaxens.training.layout import parse_layout
    from jaxens.training.planning import plan_training

    signals.work_begins()
    layout = None if mesh is None else parse_layout(mesh)
    if on is not None:
        jax.config.update("jax_platforms", "cpu")  # starts no accelerator of this machine
    compilation.use_cache()
    needs = plan_training(
        settings,
        on,
        layout=layout,
        images=images,
        classes=classes,
        flops=flops,
        bandwidth=bandwidth,
    )
    say(uncut(tables.needs(needs), width=110))
    say("The hours are a bound by the roofline: no training is faster, and most are slower.")
    if needs.shortage:
        raise UserError(needs.shortage)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with these arguments (default: those of this process)."""
    parser.call(plan, arguments, name="plan", values=_values)


def _values(app: Any, commands: tuple[str, ...], arguments: Any) -> None:
    """Fills in flags from --config."""
    flags = {argument.name: argument.tokens[-1].value for argument in arguments if argument.tokens}
    if "--config" in flags:
        check_local("config", flags["--config"])
        file_values(Path(flags["--config"]))(app, commands, arguments)


if __name__ == "__main__":
    parser.run(main)
