"""Scores an ensemble's explanations against what people marked: each member's, and the mean.

    python -m jaxens.evaluate runs/fieldmarks

explains held-out images by every method, scores each member's map and the mean map, and
writes tables (terminal, Markdown, CSV), figures (scores by the ensemble's size and by the
threshold, maps of members), every score (NPZ) and one page (HTML) into the run directory. With
--on, the images are those of another data set, which may lack labels, but has the parts.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from jaxens.cli import parser, signals
from jaxens.cli.runs import RunFolder, with_local_run
from jaxens.errors import check_number
from jaxens.evaluation.images import Images
from jaxens.evaluation.settings import (
    MOST_ORDERS,
    ORDERS,
    PAPER_METHODS,
    PAPER_METRICS,
    MethodName,
    MethodSettings,
    MetricName,
)

WIDTH = 200  # of a table; a narrower terminal breaks its lines


@with_local_run
def evaluate(
    run: RunFolder,
    /,
    *,
    methods: Annotated[tuple[MethodName, ...], parser.JOINED] = PAPER_METHODS,
    metrics: Annotated[tuple[MetricName | Literal["all"], ...], parser.JOINED] = PAPER_METRICS,
    tasks: tuple[str, ...] | None = None,
    threshold: float | None = None,
    sign: Literal["signed", "positive", "absolute"] | None = None,
    correlation_size: int | None = None,
    orders: int = ORDERS,
    settings: Annotated[MethodSettings, parser.FLAT] = MethodSettings(),
    images: Annotated[Images, parser.FLAT] = Images(),
    out: Path | None = None,
) -> None:
    """Score an ensemble's explanations against what people marked: each member's, and the mean.

    Args:
        run: run directory that jaxens.train has written, or its URL; or an export
        methods: explanation methods (default: the paper's seven)
        metrics: scores, or all (default: the paper's)
        tasks: tasks to explain (default: all that have truth)
        threshold: of the normalized map, for IoU (default: 0.3, as in the paper)
        sign: how negative values of signed maps are treated (default: signed, they are kept)
        correlation_size: cells along a side, for the correlation (default: 14, as in the paper)
        orders: random orders in which members join, for the scores by the ensemble's size
        out: folder for the tables (default: RUN/evaluation)
    """
    check_number("orders", orders, least=1, most=MOST_ORDERS)
    if correlation_size is not None:
        check_number("correlation_size", correlation_size, least=1)

    from jaxens.cli import tables
    from jaxens.cli.compilation import use_cache
    from jaxens.cli.console import console, say, uncut
    from jaxens.cli.progress import bar
    from jaxens.data.opening import open_data
    from jaxens.evaluation.choosing import choose_images, named
    from jaxens.evaluation.describing import make_protocol
    from jaxens.evaluation.evaluating import plan_evaluation
    from jaxens.evaluation.maps import background_images
    from jaxens.evaluation.question_result import QuestionResult
    from jaxens.evaluation.results import check_folder
    from jaxens.files import check_is_folder, lock, output_folder, write_text
    from jaxens.pages import report
    from jaxens.runs.opened import open_trained
    from jaxens.runs.own_data import data_of, own_cache

    signals.work_begins()
    began = time.monotonic()
    protocol = make_protocol(
        metrics, threshold=threshold, correlation_size=correlation_size, sign=sign
    )
    check_is_folder(out or run)
    use_cache()
    opened = open_trained(run)
    origin = opened.origin
    with bar() as progress:
        if images.on:
            cache = own_cache(run, origin.data["cache_dir"], images.cache_dir)
            data = open_data(images.other_data(origin.data, cache), progress)
        else:
            data = data_of(opened, images.data_dir, images.cache_dir, progress, images.layout)
        ensemble, held_out = choose_images(
            opened.ensemble,
            data,
            images,
            named(origin.info, origin.fingerprint),
            seed=settings.seed,
            tasks=tasks or (),
            augment=vars(origin.augment),
            progress=progress,
        )
    plan = plan_evaluation(
        ensemble,
        held_out,
        methods=methods,
        protocol=protocol,
        tasks=tasks,
        explained=images.explained,
        settings=settings,
        background=background_images(data.train, methods),
        orders=orders,
        run_name=run.resolve().name,
        checkpoint=origin.checkpoint,
    )
    folder = output_folder(out, run, "-".join(filter(None, ("evaluation", images.name))))
    with lock(folder):
        check_folder(folder, plan.choices())
        say(plan.describe())

        def show(result: QuestionResult) -> None:
            say(uncut(tables.question(result), WIDTH))

        with bar(console) as progress:
            evaluation = plan.run(progress, show, examples=True)
        title = f"Explanations of {run.name}" + (f" on {data.info.name}" if images.on else "")
        evaluation.save(folder, title)
        written = "tables and figures"
        if opened.run is not None:  # the page is about the training, too
            write_text(folder / "report.html", report(run, [folder]))
            written = "tables, figures, a page"
    minutes = (time.monotonic() - began) / 60
    say(f"{evaluation.summary()}\n{written}: {folder}    ({minutes:.1f} minutes)")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command with these arguments (default: those of this process)."""
    parser.call(evaluate, arguments, name="evaluate")


if __name__ == "__main__":
    parser.run(main)
