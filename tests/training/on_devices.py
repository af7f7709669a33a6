"""Trains 21 steps in some layouts of devices. As a program, it writes what they learned."""

import contextlib
import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxens.cli.distributed import join
from jaxens.data.opening import open_data
from jaxens.data.settings import Data
from jaxens.data.source import Source
from jaxens.models.build import MODELS
from jaxens.models.small import SmallResNet
from jaxens.models.trunk import without_heads
from jaxens.runs.fit import train
from jaxens.runs.loading import abstract_state
from jaxens.runs.log import read_lines
from jaxens.runs.run import Run
from jaxens.runs.watch import Watch
from jaxens.training.agreement import LateLargest, largest
from jaxens.training.layout import MeshLayout
from jaxens.training.mesh import Placement
from jaxens.training.settings import Augment, Config, Members, Model, Optim
from jaxens.training.state import State, build_model
from jaxens.training.trainer import Trainer

# Arguments of `config_of`.
CASES = {
    "random weights": {},
    "streamed": {"resident": "no"},
    "leave one out": {"diversity": "leave-one-out"},
    "leave one out, streamed": {"diversity": "leave-one-out", "resident": "no"},
    "bagging": {"diversity": "bagging"},
    "bagging, streamed": {"diversity": "bagging", "resident": "no"},
    "frozen trunk": {"base": "frozen", "weights": "given"},
    "frozen trunk, streamed": {"base": "frozen", "weights": "given", "resident": "no"},
    "partly frozen": {"train_from": "stage1", "weights": "given"},
    "seven members": {"members": 7},
    # Two layouts differ by up to 1.5e-6 of the largest entry, and by 3e-7 with SGD. The reason may
    # be that Adam divides by a root mean square, which makes rounding of small gradients larger.
    "adamw": {"optimizer": "adamw"},
}


@contextlib.contextmanager
def smooth_model() -> Iterator[None]:
    """Within it, the model `small` has no ReLU, at whose kink a rounding error grows.

    It has two convolutions, because most of the time of these tests is that of XLA's compiler.
    """
    with pytest.MonkeyPatch.context() as patch:
        model = partial(SmallResNet, widths=(4, 8), blocks=(0, 0), act=jax.nn.silu)
        patch.setitem(MODELS, "small", model)
        yield


def config_of(cache: str, **case: Any) -> Config:
    """Returns the config of a case, whose images are drawn into a cache."""
    return Config(
        Data(
            train_images=24,
            val_images=6,
            test_images=6,
            image_size=16,
            cache_dir=cache,
            resident=case.get("resident", "yes"),
        ),
        Model("small", weights=case.get("weights", "")),
        Members(
            case.get("members", 3),
            case.get("diversity", "random-weights"),
            base=case.get("base", "own"),
            train_from=case.get("train_from", ""),
        ),
        Optim(epochs=7, batch_size=8, optimizer=case.get("optimizer", "sgd"), learning_rate=1e-2),
        Augment(),
    )


@smooth_model()
def learned(
    config: Config, layout: MeshLayout, change: Callable[[State], State] = lambda state: state
) -> list[np.ndarray]:
    """Returns the parameters and batch statistics of all members after training.

    Args:
        config: The config.
        layout: Devices for members and images.
        change: Is applied to the initial state.
    """
    data = open_data(config.data)
    trainer = Trainer(config, data.train, data.info.tasks, layout)
    weights = None
    if config.frozen_below:
        model = build_model(config, data.info.tasks)
        weights = without_heads(model.init(jax.random.key(1), jnp.zeros((1, 16, 16, 3))))
    state = change(trainer.init(weights))
    feed = trainer.feed(state, 0)
    for epoch in range(1, config.optim.epochs + 1):
        part = trainer.begin(epoch)
        state, _, _ = trainer.epoch(state, feed, part, lambda losses, speed: None)
    members = trainer.placement.gather(state)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(members.variables)]


@contextlib.contextmanager
def counted_images() -> Iterator[Counter[str]]:
    """Within it, the images of each split that this process decodes are counted."""
    counts: Counter[str] = Counter()
    decoded = Source.decoded

    def count(source: Source, index: int, masks: bool = True) -> Any:
        counts[source.split] += 1
        return decoded(source, index, masks)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Source, "decoded", count)
        yield counts


def check_alike(
    ours: Iterable[np.ndarray], expected: Iterable[np.ndarray], message: str = ""
) -> None:
    """Checks that two trainings learned the same but for rounding."""
    for got, want in zip(ours, expected, strict=True):
        assert np.abs(got - want).max() <= 1e-5 * np.abs(want).max(), message


def check_layouts(config: Config, layouts: Sequence[MeshLayout], name: str) -> None:
    """Checks that layouts learn what one device does, and that the last repeats its own bits."""
    expected = learned(config, MeshLayout(1, 1))
    for layout in layouts:
        arrays = learned(config, layout)
        check_alike(arrays, expected, f"{name} on {layout}")
    for again, before in zip(learned(config, layout), arrays, strict=True):
        np.testing.assert_array_equal(again, before, f"{name} on {layout}, again")


class StopAfterOne(Watch):
    """Stops after the first epoch."""

    def epoch(self, epoch: int, *_: Any) -> None:
        if epoch == 1:
            raise KeyboardInterrupt


def two_epochs(folder: Path) -> Config:
    """Returns the config of two epochs, whose images are drawn into a folder."""
    config = config_of(str(folder / "cache"))
    return replace(config, optim=replace(config.optim, epochs=2))


@smooth_model()
def begin(folder: Path, layout: MeshLayout) -> None:
    """Trains the first of two epochs, and saves it as the run `folder / "run"`."""
    with contextlib.suppress(KeyboardInterrupt):
        train(two_epochs(folder), folder / "run", watch=StopAfterOne(), layout=layout)


@smooth_model()
def go_on(folder: Path, layout: MeshLayout, run: str = "run") -> None:
    """Trains the second epoch of a run in a folder, and checks that it starts from saved bits."""
    saved = state_of(folder / run) if jax.process_index() == 0 else None  # which reads alone
    spread, starts = Placement.spread, []

    def record(placement: Placement, state: State) -> State:
        result = spread(placement, state)
        starts.append(jax.tree.map(np.array, placement.gather(result)))  # steps reuse buffers
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Placement, "spread", record)
        train(two_epochs(folder), folder / run, resume=True, layout=layout)
    if saved is not None:
        jax.tree.map(np.testing.assert_array_equal, starts[0], saved)


@smooth_model()
def check_two_epochs(folder: Path, runs: Iterable[str] = ("run",)) -> None:
    """Checks that runs in a folder have learned in two epochs what one device does."""
    whole = train(two_epochs(folder), folder / "whole").history
    expected = jax.tree.leaves(state_of(folder / "whole").variables)
    for run in runs:
        check_alike(jax.tree.leaves(state_of(folder / run).variables), expected, run)
        log = read_lines(folder / run / "metrics.jsonl")
        assert [line.get("epoch") for line in log] == [1, 2, None]
        for ours, line in zip(log[:-1], whole[:-1], strict=True):
            np.testing.assert_allclose(ours["loss"], line["loss"], rtol=1e-5)
            np.testing.assert_equal(ours["val"], line["val"])  # some are NaN


def state_of(folder: Path) -> State:
    """Returns the last state that a run has saved."""
    run = Run.open(folder)
    _, state = run.checkpoints.latest(abstract_state(run.config, run.info))
    return jax.tree.map(np.asarray, state)


def check_goes_on(folder: Path, first: MeshLayout, then: Iterable[MeshLayout]) -> None:
    """Checks that what one layout saves, others go on with, and learn what one device does."""
    begin(folder, first)
    runs = [str(layout) for layout in then]
    for name, layout in zip(runs, then, strict=True):
        shutil.copytree(folder / "run", folder / name)
        go_on(folder, layout, name)
    check_two_epochs(folder, runs)


if __name__ == "__main__":
    case = json.loads(sys.argv[1])
    if step := {"begin": begin, "go on": go_on}.get(case.get("step")):  # one of several processes
        join()
        step(Path(case["folder"]), MeshLayout(*case["layout"]))
        sys.exit()
    if "run" in case:
        first, *then = (MeshLayout(*each) for each in case["layouts"])
        check_goes_on(Path(case["run"]), first, then)
        print(len(jax.devices()), "devices, and others go on")
        sys.exit()
    if "numbers" in case:  # one of several processes
        join()
        late, numbers = LateLargest(), case["numbers"][jax.process_index()]
        print([late(number) for number in numbers], largest(numbers[-1]))
        sys.exit()
    if "learned" in case:  # one of several processes
        first = join()
        for name, layout in case["of"].items():
            with counted_images() as counts:
                arrays = learned(config_of(case["cache"], **CASES[name]), MeshLayout(*layout))
            if first:
                np.savez(Path(case["learned"], name), *arrays, decoded=counts["train"])
        sys.exit()
    for name, layouts in case["of"].items():
        each = [MeshLayout(*layout) for layout in layouts]
        check_layouts(config_of(case["cache"], **CASES[name]), each, name)
    print(len(jax.devices()), "devices, all alike")
