"""Runs experiments of the paper, and compares each row with ours."""

import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from jaxens.errors import UserError
from jaxens.files import lock, write_text
from jaxens.reproduction.comparing import Comparison
from jaxens.reproduction.experiments import Experiment, read_experiments
from jaxens.reproduction.measuring import auc_of, numbers_of, size_curve
from jaxens.reproduction.outcomes import Outcome, Reproduction
from jaxens.reproduction.session import Session
from jaxens.reproduction.watch import Watch


def reproduce(
    names: Sequence[str] = (),
    *,
    stand_in: bool = False,
    out: Path = Path("runs/reproduction"),
    data_dirs: Mapping[str, str] | None = None,
    cache_dir: str = "",
    experiments: Path | None = None,
    watch: Watch | None = None,
) -> Reproduction:
    """Runs experiments of the paper, and compares them with it.

    What is complete in `out` is not done again, and a training that was stopped goes on. An
    experiment that fails does not stop the others. `write_page` writes the page.

    Args:
        names: The experiments (default: all).
        stand_in: Use drawn birds and small models in place of the real data.
        out: The folder of runs, evaluations and the page.
        data_dirs: The folder of each data set, by its name.
        cache_dir: The folder for prepared data (default: as for `jaxens.train`).
        experiments: A folder with other experiments than the paper's.
        watch: Receives the progress.

    Raises:
        UserError: If there is no such experiment, a data set has no folder, or another process
            writes into `out`.
    """
    watch = watch or Watch()
    chosen = read_experiments(names, stand_in=stand_in, folder=experiments)
    session = Session(out, data_dirs or {}, cache_dir, watch)
    for experiment in chosen:  # before any long work
        session.check_folders(experiment)
    began = time.monotonic()
    outcomes = []
    with lock(out):
        for number, experiment in enumerate(chosen, start=1):
            watch.experiment(experiment.name, number, len(chosen), time.monotonic() - began)
            outcomes.append(_outcome(experiment, session))
    return Reproduction(outcomes, session, stand_in)


def _outcome(experiment: Experiment, session: Session) -> Outcome:
    """Runs an experiment; an error becomes a line, because the others should go on."""
    try:
        return _run(experiment, session)
    except UserError as error:
        message = str(error)
    except Exception as error:
        path = session.out / f"{experiment.name}-error.txt"
        write_text(path, traceback.format_exc())
        message = f"{type(error).__name__}: {error} (see {path})"
    message = " ".join(message.split())
    session.watch.note(f"{experiment.name} failed: {message}")
    rows = [Comparison(row, None) for row in experiment.paper["rows"]]
    return Outcome(experiment, rows, error=message)


def _run(experiment: Experiment, session: Session) -> Outcome:
    rows = experiment.paper["rows"]
    only = next(iter(experiment.setting.ensembles))
    if experiment.kind == "auc":
        numbers, labels = auc_of(session.predicted(experiment, only))
        return Outcome(experiment, [Comparison(row, numbers) for row in rows], labels=labels)
    evaluations = {
        diversity: session.evaluated(experiment, diversity)
        for diversity in experiment.setting.ensembles
    }
    curves = {}
    if experiment.kind == "sizes":
        for row in rows:
            curve = size_curve(evaluations[only], row["method"], row["metric"])
            if curve is not None:
                curves[row["method"], row["metric"]] = curve
    compared = [
        Comparison(
            row, numbers_of(evaluations[row.get("diversity", only)], row["method"], row["metric"])
        )
        for row in rows
    ]
    return Outcome(experiment, compared, curves)
