"""Kills a training and an evaluation at random moments: the results are those of no kill.

    python -m tests.kills --kills 30
    python -m tests.kills --kills 10 --signal TERM
    python -m tests.kills --moments preparation "a save" "an epoch" tables

trains a small ensemble from an empty folder, once without a stop, and then killed (the whole
process group) and started again with --resume auto. A third of the kills hit its evaluation. If
it ends before all kills, another one is trained and killed. With --moments, these are hit in
their order, and only the time within each is random. It prints what each kill hit, and compares
parameters (bitwise), logs (without times), and the tables and scores of the evaluation.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxens.runs.loading import abstract_state
from jaxens.runs.run import Run

IMAGES = ("--train-images", "32", "--val-images", "6", "--test-images", "12", "--image-size", "16")
TABLES = ("*.csv", "*.md", "*.npz", "settings.json")
SAVING, PREPARING, LOG = "checkpoints/*.orbax-checkpoint-tmp*", "incomplete.*", "metrics.jsonl"


class Moment(NamedTuple):
    """When to kill: a random time after files of a pattern were new or changed some times."""

    name: str
    pattern: str
    changes: int
    longest: (
        str  # the time is up to that of a start, a compilation, an epoch, an evaluation, or 0.1 s
    )
    weight: int


PREPARATION = Moment("preparation", f"cache/**/{PREPARING}", 1, "moment", 1)  # the first kill
TRAINING = (
    Moment("start", "", 0, "start", 2),
    Moment("compilation", f"run/{LOG}", 1, "compilation", 2),
    Moment("an epoch", f"run/{LOG}", 2, "epoch", 5),
    Moment("a save", f"run/{SAVING}", 1, "epoch", 5),
)
EVALUATION = (
    Moment("start", "", 0, "start", 1),
    Moment("explanations", "printed", 1, "evaluation", 3),
    Moment("tables", "run/evaluation*/*.csv", 1, "epoch", 3),
)
MOMENTS = {moment.name: moment for moment in (*EVALUATION, PREPARATION, *TRAINING)}


class Trial:
    """A training and its evaluation in a folder, and what kills them.

    Args:
        folder: A folder that is not there yet.
        epochs: The epochs of the training.
        number: The signal that kills.
        draw: Draws moments.
        before: The number of kills of other trials.

    Attributes:
        seconds: How long the phases take, once they were measured without a kill.
    """

    def __init__(self, folder: Path, epochs: int, number: int, draw: random.Random, before: int):
        folder.mkdir()
        self.seconds = {"moment": 0.1}
        self.folder, self._number, self._draw, self._before = folder, number, draw, before
        self.run, cache = folder / "run", str(folder / "cache")
        ensemble = ("--members", "2", "--epochs", str(epochs), "--batch-size", "8")
        self._train = ["train", *IMAGES, *ensemble, "--cache-dir", cache, "--out", str(self.run),
                       "--resume", "auto"]  # fmt: skip
        self._evaluate = ["evaluate", str(self.run), "--methods", "saliency", "--tasks",
                          "bill_length", "--limit", "4"]  # fmt: skip
        self.kills = 0

    def train(self, moments: Iterable[Moment]) -> None:
        """Trains until the training is done. It is killed once at each of the moments."""
        self._until_done(self._train, moments)

    def evaluate(self, moments: Iterable[Moment]) -> None:
        """Evaluates until the evaluation is done. It is killed once at each of the moments."""
        self._until_done(self._evaluate, moments)

    def drawn(self, moments: tuple[Moment, ...], kills: int) -> Iterator[Moment]:
        """Yields random ones of some moments."""
        for _ in range(kills):
            (moment,) = self._draw.choices(moments, [moment.weight for moment in moments])
            yield PREPARATION if moments is TRAINING and not self.kills else moment

    def _until_done(self, words: list[str], moments: Iterable[Moment]) -> None:
        for moment in moments:
            if not self._killed(words, moment):
                break
        if code := self._measured(words):
            printed = (self.folder / "printed").read_text(errors="replace")
            raise SystemExit(f"{words[0]} failed with code {code}:\n{printed[-3000:]}")

    def _measured(self, words: list[str]) -> int:
        """Runs a command to its end, and measures how long its phases take."""
        began = time.monotonic()
        process = self._started(words)
        seen, times = self._seen(f"run/{LOG}"), []
        while process.poll() is None:
            time.sleep(0.002)
            if len(seen) < len(seen := seen | self._seen(f"run/{LOG}")):
                times.append(time.monotonic())
        if words[0] == "evaluate":
            self.seconds["evaluation"] = time.monotonic() - began - self.seconds["start"]
        elif len(times) > 2:
            start, first, *_, last = times
            epoch = (last - first) / (len(times) - 2)
            self.seconds |= {"start": start - began, "compilation": first - start, "epoch": epoch}
        return process.wait()

    def _killed(self, words: list[str], moment: Moment) -> bool:
        """Starts a command and kills it; returns whether it was still at work."""
        seen = before = self._seen(moment.pattern)
        process = self._started(words)
        while process.poll() is None and len(seen - before) < moment.changes:
            time.sleep(0.002)
            seen = seen | self._seen(moment.pattern)
        delay = self._draw.uniform(0, self.seconds[moment.longest])
        until = time.monotonic() + delay
        while process.poll() is None and time.monotonic() < until:
            time.sleep(0.002)
        if process.poll() is not None:
            following = self._before + self.kills + 1
            print(f"{words[0]} has ended with code {process.wait()} before kill {following}")
            return False
        sent = time.monotonic()
        os.killpg(process.pid, self._number)
        code, seconds = process.wait(), time.monotonic() - sent
        self.kills += 1
        # Before jaxens handles SIGTERM, the signal itself ends the process.
        if self._number == signal.SIGTERM and (code not in (143, -self._number) or seconds > 30):
            raise SystemExit(f"{words[0]} ended with code {code} {seconds:.1f} s after SIGTERM")
        ended = "" if code == -signal.SIGKILL else f" -> code {code} in {seconds:.1f} s"
        after = f"{moment.name} + {delay:.2f} s"
        kill = f"kill {self._before + self.kills}: {words[0]}, {after}"
        print(f"{kill}: {self._left(words[0])}{ended}", flush=True)
        return True

    def _started(self, words: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / "printed").open("ab") as printed:
            command = [sys.executable, "-m", f"jaxens.{words[0]}", *words[1:]]
            return subprocess.Popen(command, stdout=printed, stderr=printed, start_new_session=True)

    def _seen(self, pattern: str) -> set[tuple[str, int]]:
        """Returns files and when they were changed."""
        seen = set()
        for path in self.folder.glob(pattern) if pattern else ():
            try:
                seen.add((str(path), path.stat().st_mtime_ns))
            except FileNotFoundError:
                continue
        return seen

    def _left(self, command: str) -> str:
        """Says what lies on the disk after a kill."""
        if command == "evaluate":
            files = [p.name for p in self.run.glob("evaluation*/*") if p.is_file()]
            return f"{len(files)} files of the evaluation" if files else "nothing is written"
        if any(self.folder.glob(f"cache/**/{PREPARING}")):
            return "the images are half-prepared"
        if not (self.run / "config.toml").is_file():
            return "no run yet"
        log = self.run / LOG
        lines = log.read_text().count("\n") if log.is_file() else 0
        half = [path.name.split(".")[0] for path in self.run.glob(SAVING)]
        parts = [path.name for path in self.run.glob("interrupted/[0-9]*")]
        found = [f"{lines} lines in the log", *(f"checkpoint {name} half-written" for name in half)]
        return ", ".join([*found, *(f"saved at step {name}" for name in parts)])


def differences(one: Path, other: Path) -> list[str]:
    """Names what differs between two runs and their evaluations."""
    results = [contents(folder) for folder in (one, other)]
    names = sorted(results[0].keys() | results[1].keys())
    return [name for name in names if not same(*(result.get(name) for result in results))]


def same(one: Any, other: Any) -> bool:
    """Says whether two trees are bitwise the same."""
    if jax.tree.structure(one) != jax.tree.structure(other):
        return False
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(np.asarray(a).tobytes() == np.asarray(b).tobytes() for a, b in pairs)


def contents(folder: Path) -> dict[str, Any]:
    """Returns the states, the log without times, and the tables of a run."""
    run = Run.open(folder)
    like = abstract_state(run.config, run.info)
    found: dict[str, Any] = {
        "the last state": run.checkpoints.latest(like),
        "the best state": run.checkpoints.best(like),
    }
    for number, line in enumerate(run.read_log(), start=1):
        line.pop("member_images_per_second", None)
        found[f"line {number} of the log"] = line
    for table in (path for pattern in TABLES for path in folder.glob(f"evaluation*/{pattern}")):
        if table.suffix == ".npz":
            with np.load(table) as arrays:
                found[table.name] = {name: arrays[name] for name in arrays}
        else:
            found[table.name] = table.read_text()
    run.close()
    return found


def main(arguments: list[str] | None = None) -> None:
    """Runs the trials, and compares them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--moments", nargs="+", choices=MOMENTS, default=(), help="one kill each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--train-only", action="store_true", help="evaluate nothing")
    parser.add_argument("--signal", choices=["KILL", "TERM"], default="KILL")
    args = parser.parse_args(arguments)
    listed = [MOMENTS[name] for name in args.moments]
    args.kills = len(listed) or args.kills
    if args.train_only and not set(listed).isdisjoint(EVALUATION):
        parser.error("--train-only has no moments of an evaluation")
    number, draw = getattr(signal, f"SIG{args.signal}"), random.Random(args.seed)

    def moments(trial: Trial, of: tuple[Moment, ...], kills: int) -> Iterable[Moment]:
        if kills and listed:
            return [each for each in listed if (each in EVALUATION) == (of is EVALUATION)]
        return trial.drawn(of, kills)

    def trial_of(folder: Path, kills: int, before: int = 0) -> Trial:
        trial = Trial(folder, args.kills + 2, number, draw, before)
        trial.seconds |= whole.seconds if kills else {}
        trial.train(moments(trial, TRAINING, kills if args.train_only else -(-kills * 2 // 3)))
        if not args.train_only:
            trial.evaluate(moments(trial, EVALUATION, kills - trial.kills))
        print(f"{folder.name}: done after {trial.kills} kills", flush=True)
        return trial

    with tempfile.TemporaryDirectory() as folder:
        whole = trial_of(Path(folder, "whole"), kills=0)
        done = 0
        while done < args.kills:
            killed = trial_of(Path(folder, f"killed {done}"), args.kills - done, done)
            done += killed.kills
            if found := differences(whole.run, killed.run):
                raise SystemExit(f"these differ from the run without a kill: {', '.join(found)}")
            count = len(contents(whole.run))
            print(f"{count} results are bitwise those of the run without a kill", flush=True)


if __name__ == "__main__":
    main()
