"""Trains and evaluates what experiments need; what is complete is not done again."""

import contextlib
import io
import json
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from jaxens.data.registry import SOURCES
from jaxens.ensemble.predicting import all_logits
from jaxens.ensemble.predictions import probabilities
from jaxens.errors import UserError
from jaxens.evaluation import PAPER_METHODS, MethodSettings, background_images
from jaxens.evaluation.evaluating import plan_evaluation
from jaxens.files import write_bytes, write_text
from jaxens.reproduction.experiments import Experiment
from jaxens.reproduction.images import Explained, held_out
from jaxens.reproduction.watch import Watch
from jaxens.runs import config as configs
from jaxens.runs import fit
from jaxens.runs.log import read_lines
from jaxens.runs.provenance import checksum
from jaxens.runs.run import Run
from jaxens.training.settings import Config
from jaxens.untrusted import parse_json, read_arrays, read_text

FINISHED = "finished.json"  # the last file of an evaluation


@dataclass(frozen=True)
class Session:
    """Where a reproduction reads its data and keeps its results.

    Attributes:
        out: The folder of the results.
        data_dirs: The folder of each data set that needs one.
        cache_dir: The folder for prepared data; empty for the default.
        watch: Receives the progress.
    """

    out: Path
    data_dirs: Mapping[str, str]
    cache_dir: str
    watch: Watch
    _failed: dict[Path, Exception] = field(default_factory=dict)

    def check_folders(self, experiment: Experiment) -> None:
        """Checks that the user has named the folder of each data set that an experiment needs.

        Raises:
            UserError: If one is missing, or a config can't be read.
        """
        setting = experiment.setting
        other = setting.evaluation.get("on", "")
        for source in (*map(source_of, setting.ensembles.values()), other):
            if source in SOURCES and SOURCES[source].needs_folder:
                self.folder_of(source, experiment.name)

    def config(self, path: Path) -> Config:
        """Returns the config of an ensemble, with the user's folders, and the run it starts from.

        Raises:
            UserError: If the file or a folder can't be used.
        """
        source = source_of(path)
        flags = ["--cache-dir", self.cache_dir] if self.cache_dir else []
        if source in SOURCES and SOURCES[source].needs_folder:
            flags += ["--data-dir", self.folder_of(source, f"{path.parent.name}/{path.name}")]
        if base := base_of(path):
            flags += ["--weights", str(self.run_of(base))]
        return configs.load(path, flags=flags)

    def folder_of(self, source: str, wanted_by: str) -> str:
        """Returns the folder of a data set.

        Raises:
            UserError: If the user has not named it.
        """
        if source not in self.data_dirs:
            raise UserError(
                f"{wanted_by} needs the folder of {source}: add `data_dir` {source}=FOLDER, name "
                "other experiments, or add `stand_in`, which needs no data"
            )
        return self.data_dirs[source]

    def trained(self, path: Path) -> Path:
        """Returns the run directory of an ensemble; trains it unless that is done.

        The run whose weights it starts from is trained first. A training that failed is not tried
        again for the next experiment.

        Args:
            path: The path of the config.

        Raises:
            UserError: If it can't be trained, or the folder holds a run with another config.
        """
        if path in self._failed:
            raise self._failed[path]
        try:
            return self._trained(path)
        except Exception as error:
            self._failed[path] = error
            raise

    def _trained(self, path: Path) -> Path:
        config = self.config(path)
        folder = self.run_of(path)
        if (folder / "config.toml").exists():
            run = Run.open(folder)
            configs.check_same_config(run.config, config, folder)
            run.close()
            if quality_of(folder):
                return folder
        if base := base_of(path):
            self.trained(base)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with self._timed(f"train {path.stem}"):
            resume = (folder / "config.toml").exists()
            self.watch.note(f"{'continuing' if resume else 'training'} {path.stem}")
            fit.train(config, folder, resume=resume, watch=self.watch)
        return folder

    def run_of(self, path: Path) -> Path:
        """Returns the run directory of the ensemble with a config."""
        return self.out / "runs" / path.stem

    def evaluated(self, experiment: Experiment, diversity: str) -> Path:
        """Returns the folder with the evaluation of an ensemble; evaluates it unless that is done.

        An evaluation with other settings, or of another training, is replaced.

        Args:
            experiment: The experiment.
            diversity: Which of its ensembles.

        Raises:
            UserError: If it can't be trained or evaluated.
        """
        setting = experiment.setting
        run = self.trained(setting.ensembles[diversity])
        folder = self.evaluation_of(experiment, diversity)
        done = {"evaluation": setting.evaluation, "run": _identity(run)}
        if (finished := read_finished(folder)) and done.items() <= finished.items():
            return folder
        self.watch.note(f"explaining and scoring {run.name}")
        with self._timed(f"evaluate {run.name} for {setting.evaluated_by}"):
            protocol = self._evaluate(experiment, run, folder)
        write_text(folder / FINISHED, json.dumps({**done, "protocol": protocol}, indent=2))
        return folder

    def evaluation_of(self, experiment: Experiment, diversity: str) -> Path:
        """Returns the folder of the evaluation of an experiment's ensemble."""
        return self.out / "evaluations" / experiment.setting.evaluated_by / diversity

    def _evaluate(self, experiment: Experiment, folder: Path, out: Path) -> str:
        """Evaluates an ensemble, and returns the description of the protocol."""
        setting = experiment.setting
        run = Run.open(folder)
        settings = MethodSettings(**setting.of_methods())
        images = self._held_out(run, setting.of_images(), settings.seed)
        methods = setting.evaluation.get("methods")
        plan = plan_evaluation(
            images.ensemble,
            images.split,
            methods=methods,
            tasks=setting.evaluation.get("tasks"),
            explained=images.explained,
            settings=settings,
            background=background_images(images.train, methods or PAPER_METHODS),
            run_name=folder.name,
            checkpoint=run.checkpoints.chosen,
        )
        out.mkdir(parents=True, exist_ok=True)
        (out / FINISHED).unlink(missing_ok=True)
        plan.run(self.watch.progress).save(out, f"{experiment.title}: {folder.name}")
        run.close()
        return plan.describe()

    def _held_out(self, run: Run, choice: Mapping[str, Any], seed: int) -> Explained:
        return held_out(run, choice, self.data_dirs, self.cache_dir, seed, self.watch.progress)

    def predicted(self, experiment: Experiment, diversity: str) -> Path:
        """Returns a file with the probabilities of each member, on the held-out images.

        Args:
            experiment: The experiment; its ensemble has one task.
            diversity: Which of its ensembles.

        Raises:
            UserError: If it can't be trained.
        """
        path = experiment.setting.ensembles[diversity]
        folder = self.trained(path)
        file = self.out / "predictions" / f"{path.stem}.npz"
        if file.exists() and str(read_arrays(file)["run"]) == _identity(folder):
            return file
        run = Run.open(folder)
        with self._timed(f"predict {path.stem}"):
            images = self._held_out(run, {}, run.config.optim.seed)
            (task,) = images.ensemble.tasks
            members = probabilities(
                task, all_logits(images.ensemble, images.split.images)[task.name]
            )
        content = io.BytesIO()
        np.savez_compressed(
            content,
            members=np.asarray(members),
            labels=images.split.labels[task.name],
            classes=np.array(task.classes),
            run=_identity(folder),
        )
        file.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(file, content.getvalue())
        run.close()
        return file

    @contextlib.contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        """Appends how long something took to `times.jsonl`, also if it is interrupted."""
        began, cpu_began = time.monotonic(), time.process_time()
        try:
            yield
        finally:
            line = {
                "what": what,
                "seconds": round(time.monotonic() - began, 1),
                "cpu_seconds": round(time.process_time() - cpu_began, 1),
            }
            with (self.out / "times.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")

    def times(self) -> dict[str, tuple[float, float]]:
        """Returns the seconds and the seconds of CPU time that each thing took, by its name."""
        file = self.out / "times.jsonl"
        total: dict[str, tuple[float, float]] = {}
        for line in read_text(file).splitlines() if file.exists() else ():
            with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that was cut
                each = json.loads(line)
                before = total.get(each["what"], (0.0, 0.0))
                seconds = float(each["seconds"]), float(each["cpu_seconds"])
                total[each["what"]] = (before[0] + seconds[0], before[1] + seconds[1])
        return total


def source_of(path: Path) -> str:
    """Returns the name of the data set in an ensemble's config."""
    return str(_keys(path, "data").get("source", "fieldmarks"))


def base_of(path: Path) -> Path | None:
    """Returns the config of the run whose weights an ensemble starts from, if it lies next to it.

    Other weights are a file of the user.
    """
    weights = _keys(path, "model").get("weights")
    base = path.parent / f"{weights}.toml"
    return base if weights and base.is_file() else None


def _keys(path: Path, section: str) -> dict[str, Any]:
    """Returns a section of a config.

    Raises:
        UserError: If the file can't be read.
    """
    try:
        keys = tomllib.loads(read_text(path)).get(section, {})
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read ({error}): restore it") from None
    return keys if isinstance(keys, dict) else {}


def quality_of(run: Path) -> dict[str, dict[str, Any]] | None:
    """Returns the scores of a finished training's predictions, by task; None before its end."""
    lines = read_lines(run / "metrics.jsonl")
    return next((line["test"] for line in reversed(lines) if "test" in line), None)


def read_finished(evaluation: Path) -> dict[str, Any] | None:
    """Returns what is written at the end of an evaluation; None before its end."""
    try:
        finished = parse_json(read_text(evaluation / FINISHED))
    except (OSError, ValueError):
        return None
    return finished if isinstance(finished, dict) else None


def _identity(run: Path) -> str:
    """Returns what distinguishes a training from any other: it has the time when it began."""
    return checksum(read_text(run / "provenance.json"))
