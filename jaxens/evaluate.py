"""Scores an ensemble's explanations against what people marked: each member's, and the mean.

    python -m jaxens.evaluate runs/fieldmarks

explains held-out images by every method, scores each member's map and the mean map, and
writes tables (terminal, Markdown, CSV), figures (scores by the ensemble's size and by the
threshold) and every score (NPZ) into the run directory.
"""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from jaxens.cli import parser
from jaxens.errors import check_number
from jaxens.evaluation.settings import (
    PAPER_METHODS,
    PAPER_METRICS,
    MethodName,
    MethodSettings,
    MetricName,
)

WIDTH = 200  # of a table; a narrower terminal breaks its lines


def evaluate(
    run: Path,
    /,
    *,
    methods: Annotated[tuple[MethodName, ...], parser.JOINED] = PAPER_METHODS,
    metrics: Annotated[tuple[MetricName | Literal["all"], ...], parser.JOINED] = PAPER_METRICS,
    tasks: tuple[str, ...] | None = None,
    limit: int | None = None,
    explain: Literal["label", "prediction"] = "label",
    augment: Annotated[bool, Parameter(negative="")] = False,
    threshold: float = 0.3,
    sign: Literal["signed", "positive", "absolute"] = "signed",
    correlation_size: int = 14,
    orders: int = 11,
    settings: Annotated[MethodSettings, parser.FLAT] = MethodSettings(),
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    out: Path | None = None,
) -> None:
    """Score an ensemble's explanations against what people marked: each member's, and the mean.

    Args:
        run: run directory that jaxens.train has written
        methods: explanation methods (default: the paper's seven)
        metrics: scores, or all (default: the paper's)
        tasks: tasks to explain (default: all that have truth)
        limit: only so many held-out images: a random sample with the labels' proportions
        explain: what is explained: the label, or the ensemble's prediction
        augment: explain randomly changed images (as in training); masks and points are moved along
        threshold: of the normalized map, for IoU
        sign: what becomes of negative values of signed maps
        correlation_size: cells along a side, for the correlation
        orders: random orders in which members join, for the scores by the ensemble's size
        data_dir: where the data set lies now, if it was moved
        cache_dir: where prepared data lie
        out: folder for the tables (default: RUN/evaluation)
    """
    for name, value in (
        ("limit", limit),
        ("orders", orders),
        ("correlation-size", correlation_size),
    ):
        if value is not None:
            check_number(f"--{name}", value, least=1)

    from jaxens.cli import tables
    from jaxens.cli.compilation import use_cache
    from jaxens.cli.console import console, say, uncut
    from jaxens.cli.progress import bar
    from jaxens.data.source import load, load_sample
    from jaxens.evaluation.augmented import augmented
    from jaxens.evaluation.describing import make_protocol
    from jaxens.evaluation.evaluating import plan_evaluation
    from jaxens.evaluation.maps import background_images
    from jaxens.evaluation.results import QuestionResult, check_folder
    from jaxens.files import lock
    from jaxens.runs.loading import best_ensemble, data_of
    from jaxens.runs.run import Run

    began = time.monotonic()
    protocol = make_protocol(threshold, correlation_size, sign, metrics)
    use_cache()
    opened = Run.open(run)
    with bar() as progress:
        data = data_of(opened, data_dir, cache_dir, progress)
        if limit is None:
            held_out = load(data.test, progress)
        else:
            held_out = load_sample(data.test, limit, settings.seed, tasks or (), progress)
    if augment:
        changes = dataclasses.asdict(opened.config.augment)
        held_out = augmented(held_out, settings.seed, **changes)
    plan = plan_evaluation(
        best_ensemble(opened),
        held_out,
        methods=methods,
        protocol=protocol,
        tasks=tasks,
        explained=explain,
        settings=settings,
        background=background_images(data.train),
        orders=orders,
    )
    folder = out or run / _folder_name(explain, limit, augment)
    with lock(folder):
        check_folder(folder, plan.choices())
        say(plan.describe())

        def show(result: QuestionResult) -> None:
            say(uncut(tables.question(result), WIDTH))

        with bar(console) as progress:
            evaluation = plan.run(progress, show)
        evaluation.save(folder, f"Explanations of {run.name}")
    opened.close()
    minutes = (time.monotonic() - began) / 60
    say(f"{evaluation.summary()}\ntables, figures and scores: {folder}    ({minutes:.1f} minutes)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with these arguments (default: those of this process)."""
    parser.call(evaluate, arguments, name="evaluate")


def _folder_name(explain: str, limit: int | None, augment: bool) -> str:
    """Names what is evaluated, where that is not the labels of all held-out images."""
    parts = ["evaluation", explain if explain != "label" else ""]
    parts += [f"sample-{limit}" if limit else "", "augmented" if augment else ""]
    return "-".join(filter(None, parts))


if __name__ == "__main__":
    parser.run(main)
