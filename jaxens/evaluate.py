"""Scores an ensemble's explanations against what people marked: members alone and averaged.

    python -m jaxens.evaluate runs/fieldmarks

explains held-out pictures by every method, scores each member's map and the mean map, and
writes tables (terminal, Markdown, CSV), figures (scores by the ensemble's size and by the
threshold) and every score (NPZ) into the run directory.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from jaxens import metrics
from jaxens.attribution import METHODS
from jaxens.cli.compilation import use_cache
from jaxens.cli.live import console
from jaxens.cli.parser import Parser, main, positive
from jaxens.cli.tables import whole
from jaxens.data.registry import DataSet
from jaxens.data.source import Split, load
from jaxens.ensemble.ensemble import Ensemble, mean_probabilities
from jaxens.ensemble.quality import all_logits
from jaxens.errors import UserError, notice
from jaxens.evaluation import report, tables
from jaxens.evaluation.augmented import augmented
from jaxens.evaluation.explainer import Explainer
from jaxens.evaluation.material import data_of, training_pictures
from jaxens.evaluation.questions import Question, questions
from jaxens.evaluation.scoring import Answers, score_chance, score_question
from jaxens.evaluation.settings import Settings, add_flags, together
from jaxens.metrics import METRICS, Protocol
from jaxens.runs.loading import best_ensemble
from jaxens.runs.run import Run

WIDTH = 200  # that a table may take; a narrower terminal breaks its lines
# Those of the paper's tables.
PAPER_METHODS = (
    "saliency", "input_x_gradient", "integrated_gradients", "gradient_shap", "grad_cam",
    "guided_grad_cam", "lime",
)  # fmt: skip


def evaluate(arguments: Sequence[str] | None = None) -> None:
    began = time.monotonic()
    asked = _parser().parse_args(arguments)
    protocol = _protocol(asked)
    use_cache()
    run = Run.open(asked.run)
    ensemble = best_ensemble(run)
    data = data_of(run, asked.data_dir, asked.cache_dir)
    test = _pictures(run, data, asked)
    asking = _questions(ensemble, test, asked)
    settings = Settings.from_flags(asked, ensemble, run.config.data.image_size)
    folder = asked.out or run.folder / _folder_name(asked)
    decided = report.settings_json(
        asked.methods,
        [question.name for question in asking],
        asked.explain,
        asked.augment,
        len(test),
        asked.orders,
        protocol,
        settings,
    )
    report.check_folder(folder, decided)
    background = training_pictures(data)
    about = report.protocol_text(
        asked.methods, protocol, settings, ensemble, asked.explain, len(background)
    )
    console.print(about, soft_wrap=True)
    explainers = [Explainer(ensemble, background, settings)]
    if ensemble.baseline is not None:
        alone = ensemble.alone()
        own = Settings.from_flags(asked, alone, run.config.data.image_size)
        explainers.append(Explainer(alone, background, own))
    answers = []
    with _bar() as bar:
        bar.add_task("explaining", total=_work(asking, asked.methods, settings))
        for question in asking:
            found = _found(explainers, test, question, asked, protocol, bar)
            chance = score_chance(test, question, protocol, settings.seed)
            answer = report.Answer.of(question, found, chance)
            answers.append(answer)
            table = tables.terminal(answer.title(), answer.rows, answer.chance)
            bar.console.print(whole(table, WIDTH, console), soft_wrap=True)
    report.write(folder, run.folder.name, about, answers, test, decided)
    run.close()
    console.print(
        f"{report.summary(answers)}\n"
        f"tables, figures and scores: {folder}    ({(time.monotonic() - began) / 60:.1f} minutes)",
        soft_wrap=True,
    )


def _found(
    explainers: list[Explainer],
    test: Split,
    question: Question,
    asked: argparse.Namespace,
    protocol: Protocol,
    bar: Progress,
) -> dict[str, Answers]:
    """What each method gives on a question."""
    (task,) = bar.task_ids
    explainer, baseline = explainers[0], explainers[1] if explainers[1:] else None
    orders = metrics.member_orders(explainer.ensemble.members, asked.orders, asked.seed)
    found: dict[str, Answers] = {}
    for methods in together(asked.methods):
        named = f"{question.name}: {', '.join(METHODS[method].title for method in methods)}"
        few = named if len(methods) == 1 else f"{question.name}: {len(methods)} methods"
        bar.update(task, description=few)
        each, began = sum(map(explainer.settings.passes, methods)), time.monotonic()
        found |= score_question(
            explainer,
            baseline,
            test,
            question,
            methods,
            protocol,
            orders,
            lambda pictures, each=each: bar.advance(task, pictures * each),  # type: ignore[misc]
        )
        if not console.is_terminal:  # which shows no bar
            console.print(f"{named}, {time.monotonic() - began:.0f} s", soft_wrap=True)
    return {method: found[method] for method in asked.methods}


def _pictures(run: Run, data: DataSet, asked: argparse.Namespace) -> Split:
    test = load(data.test, "reading held-out pictures")
    if asked.correlation_size > test.images.shape[1]:
        raise UserError(
            f"--correlation-size {asked.correlation_size} is more than the pictures' "
            f"{test.images.shape[1]} px: choose a smaller one"
        )
    if asked.limit is not None:
        test = test.take(np.arange(min(asked.limit, len(test))))
    return augmented(test, run.config.augment, asked.seed) if asked.augment else test


def _questions(ensemble: Ensemble, test: Split, asked: argparse.Namespace) -> list[Question]:
    names = [task.name for task in ensemble.tasks]
    for name in asked.tasks or ():
        if name not in names:
            raise UserError(f"{asked.run} has no task {name!r}: --tasks among {', '.join(names)}")
    tasks = tuple(task for task in ensemble.tasks if task.name in (asked.tasks or names))
    logits = all_logits(ensemble, test)
    _check_sound({task.name: np.asarray(logits[task.name]) for task in tasks}, asked.run)
    predicted = {
        task.name: np.asarray(mean_probabilities(task, logits[task.name])) for task in tasks
    }
    asking = questions(tasks, test, asked.explain, predicted)
    if not any(map(len, asking)):
        raise UserError(
            f"no picture of {test.info.name} has a region or key point for "
            f"{', '.join(task.name for task in tasks)}: choose other --tasks"
        )
    for question in asking:
        if not len(question):
            out = ", ".join(f"{n} with {why}" for why, n in question.left_out.items() if n)
            notice(f"{question.name}: no picture to explain ({out or 'none has it'})")
    return [question for question in asking if len(question)]


def _check_sound(logits: dict[str, Float[np.ndarray, "member image _"]], run: Path) -> None:
    """Raises `UserError` for a member that gives NaN: no mean map of its pictures has a score."""
    sound = [np.isfinite(each).all(axis=-1) for each in logits.values()]
    lost = (~np.logical_and.reduce(sound)).sum(axis=1)
    for member in np.flatnonzero(lost):
        raise UserError(
            f"member {member} (0 to {len(lost) - 1}) of {run} gives NaN for {lost[member]} of "
            f"{sound[0].shape[1]} pictures, so that the mean maps would have no score: train anew "
            "with a lower --learning-rate"
        )


def _work(asking: list[Question], methods: list[str], settings: Settings) -> int:
    """Calls of the model per member, for the bar's time left."""
    return sum(map(len, asking)) * sum(settings.passes(method) for method in methods)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
    )


def _protocol(asked: argparse.Namespace) -> Protocol:
    try:
        chosen = tuple(METRICS if "all" in asked.metrics else asked.metrics)
        return Protocol(asked.threshold, asked.correlation_size, asked.sign, chosen)
    except ValueError as error:
        raise UserError(str(error)) from None


def _folder_name(asked: argparse.Namespace) -> str:
    """A name of its own for what is no evaluation of all held-out labels."""
    parts = ["evaluation", asked.explain if asked.explain != "label" else ""]
    parts += [f"first-{asked.limit}" if asked.limit else "", "augmented" if asked.augment else ""]
    return "-".join(filter(None, parts))


def _parser() -> Parser:
    parser = Parser("evaluate", __doc__)
    add = parser.add_argument
    add("run", type=Path, help="run directory that jaxens.train has written")
    add(
        "--methods",
        nargs="+",
        choices=METHODS,
        default=list(PAPER_METHODS),
        metavar="METHOD",
        help=f"explanation methods, of {', '.join(METHODS)} (default: the paper's seven, "
        f"{', '.join(PAPER_METHODS)})",
    )
    add(
        "--metrics",
        nargs="+",
        choices=(*METRICS, "all"),
        default=list(metrics.PAPER),
        metavar="METRIC",
        help=f"of {', '.join(METRICS)}, or all (default: the paper's, {', '.join(metrics.PAPER)})",
    )
    add("--tasks", nargs="+", metavar="TASK", help="tasks (default: all that have truth)")
    add("--limit", type=positive, help="only the first so many held-out pictures")
    add(
        "--explain",
        choices=("label", "prediction"),
        default="label",
        help="what is explained: the label, or what the ensemble says (default: label)",
    )
    add(
        "--augment",
        action="store_true",
        help="explain randomly changed pictures (as in training), masks and points moved along",
    )
    add("--threshold", type=float, default=0.3, help="of the normalised map, for IoU (default 0.3)")
    add(
        "--sign",
        choices=tuple(metrics.SIGNS),
        default="signed",
        help="what becomes of negative values of signed maps (default: signed)",
    )
    add(
        "--correlation-size",
        type=positive,
        default=14,
        help="cells along a side, for the correlation (default 14)",
    )
    add(
        "--orders",
        type=positive,
        default=11,
        help="in which members join, for the scores by the ensemble's size (default 11)",
    )
    add_flags(parser)
    add("--data-dir", type=Path, help="where the data set lies now, if it was moved")
    add("--cache-dir", type=Path, help="where prepared data lie")
    add("--out", type=Path, help="folder for the tables (default: RUN/evaluation)")
    return parser  # fmt: skip


if __name__ == "__main__":
    main(evaluate)
