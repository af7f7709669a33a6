"""Two processes learn what one does, and train one run directory."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaxens.runs.log import read_lines
from tests.training.on_devices import (
    CASES,
    begin,
    check_alike,
    check_two_epochs,
    config_of,
    go_on,
    learned,
)
from tests.training.test_mesh import ALONE

pytestmark = pytest.mark.long


def start(
    words: Sequence[str],
    devices: int = 1,
    count: int = 2,
    folders: Sequence[Path] | None = None,
) -> list[subprocess.Popen[str]]:
    """Starts a program as several processes, each in a folder of its own if there are some."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = []
    for number in range(count):
        environment = os.environ | {
            "JAX_COORDINATOR_ADDRESS": address,
            "JAX_NUM_PROCESSES": str(count),
            "JAX_PROCESS_ID": str(number),
            "JAX_NUM_CPU_DEVICES": str(devices),
            "JAXENS_GRACE": "300",  # a machine may be busy
        }
        command = [sys.executable, "-m", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        pipes |= {"cwd": folders[number] if folders else None}
        processes.append(subprocess.Popen(command, env=environment, **pipes))  # type: ignore[call-overload]
    return processes


def ended(processes: Sequence[subprocess.Popen[str]]) -> tuple[list[int], list[str]]:
    """Returns the exit codes of processes, and what they have printed."""
    printed = [process.communicate(timeout=900)[0] for process in processes]
    return [process.returncode for process in processes], printed


def run(words: Sequence[str], devices: int = 1, count: int = 2) -> str:
    """Runs a program as several processes, and returns what process 0 has printed."""
    codes, printed = ended(start(words, devices, count))
    assert codes == [0] * count, printed
    return printed[0]


IMAGES, STEPS, BATCH = 24, 21, 8  # of `config_of`


@pytest.mark.parametrize(
    ("devices", "count", "layouts", "decoded"),
    [
        # Process 0 has its share of the images that are kept, or its half of each batch.
        (2, 2, {"random weights": (2, 2), "streamed": (1, 4)}, [IMAGES // 2, STEPS * BATCH // 2]),
        (
            *(2, 2),
            {"leave one out": (1, 4), "bagging, streamed": (2, 2), "frozen trunk": (2, 2)},
            [IMAGES // 2, None, IMAGES // 2],
        ),
        (
            *(1, 4),
            {"random weights": (2, 2), "streamed": (1, 4)},
            [IMAGES // 4, STEPS * BATCH // 4],
        ),
        (
            *(1, 4),
            {"leave one out": (4, 1), "bagging, streamed": (4, 1), "frozen trunk": (2, 2)},
            [IMAGES // 4, None, IMAGES // 4],
        ),
    ],
)
def test_processes_learn_what_one_does_and_decode_their_part_alone(
    devices, count, layouts, decoded, tmp_path
):
    expected = {  # and images are drawn
        name: learned(config_of(str(tmp_path), **CASES[name]), ALONE) for name in layouts
    }
    case = {"cache": str(tmp_path), "of": layouts, "learned": str(tmp_path)}
    run(["tests.training.on_devices", json.dumps(case)], devices, count)
    for name, images in zip(layouts, decoded, strict=True):
        with np.load(tmp_path / f"{name}.npz") as arrays:
            decoded_images, *ours = arrays.values()
            check_alike(ours, expected[name])
            assert decoded_images == images or images is None


def test_processes_learn_bitwise_what_they_did_before_and_one_process_does(tmp_path):
    """The optimizer is AdamW, the default. All runs have the same layout of four devices."""

    def arrays(name: str, devices: int, count: int) -> list[np.ndarray]:
        (folder := tmp_path / name).mkdir()
        case = {"cache": str(tmp_path), "of": {"adamw": (2, 2)}, "learned": str(folder)}
        run(["tests.training.on_devices", json.dumps(case)], devices, count)
        with np.load(folder / "adamw.npz") as saved:
            return [saved[key] for key in saved if key != "decoded"]

    one = arrays("one", 4, 1)  # and images are drawn
    for name in ("two", "again"):
        for ours, expected in zip(arrays(name, 2, 2), one, strict=True):
            np.testing.assert_array_equal(ours, expected, name)


def test_processes_hear_of_a_number_one_call_late_and_all_hear_the_same():
    case = {"numbers": [[0, 0, 2, 0, 1], [0, 15, 0, 0, 0]]}
    codes, printed = ended(start(["tests.training.on_devices", json.dumps(case)]))
    assert codes == [0, 0], printed
    assert all("[0, 0, 15, 2, 0] 1\n" in each for each in printed)


def test_two_processes_train_one_run_and_go_on_with_it(flags, tmp_path):
    out = tmp_path / "run"
    words = ["jaxens.train", "--distributed", *flags, "--out", str(out), "--resume", "auto"]
    assert "training on 2 devices: member=2,data=1" in run(words)
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line).get("epoch") for line in lines] == [1, 2, None]
    assert (out / "look.png").is_file()
    (out / "metrics.jsonl").write_text("\n".join(lines[:2]) + "\n")
    assert "training on" not in run(words)  # all epochs are there: it is scored alone
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 3


def test_what_two_processes_save_one_goes_on_with(tmp_path):
    step_of_two("begin", tmp_path)
    go_on(tmp_path, ALONE)
    check_two_epochs(tmp_path)


def test_what_one_process_saves_two_go_on_with(tmp_path):
    begin(tmp_path, ALONE)
    step_of_two("go on", tmp_path)
    check_two_epochs(tmp_path)


def step_of_two(step: str, folder: Path) -> None:
    """Takes a step of `on_devices` as two processes, which share three members."""
    case = {"step": step, "folder": str(folder), "layout": (2, 1)}
    run(["tests.training.on_devices", json.dumps(case)])


EPOCHS = 30


@pytest.fixture(scope="module")
def words(flags):
    """The command line of a training whose epochs take long enough to be stopped within."""
    flags = [*flags, "--epochs", str(EPOCHS), "--batch-size", "2"]
    return ["jaxens.train", "--distributed", *flags, "--resume", "auto", "--out"]


def logged(out: Path) -> list[dict[str, Any]]:
    """Returns the log of a run without times."""
    lines = read_lines(out / "metrics.jsonl")
    return [{**line, "member_images_per_second": 0} for line in lines if "epoch" in line]


def stopped(words: Sequence[str], number: int, who: int) -> tuple[list[int], list[str]]:
    """Sends a signal to one of two processes once an epoch of theirs is logged."""
    log = Path(words[-1]) / "metrics.jsonl"
    before = log.read_text().count("\n") if log.is_file() else 0
    processes = start(words)
    while all(process.poll() is None for process in processes):
        if log.is_file() and log.read_text().count("\n") > before:
            break
        time.sleep(0.01)
    processes[who].send_signal(number)
    return ended(processes)


def test_two_processes_stop_at_the_same_step_and_go_on_after_a_stop_or_a_kill(words, tmp_path):
    """Either process may get the signal. The result equals that of a run without a stop."""
    out = tmp_path / "run"
    words = [*words, str(out)]
    for who in (1, 0):
        codes, printed = stopped(words, signal.SIGTERM, who)
        assert codes == [143, 143], printed
        assert f"; {out} is kept up to " in printed[0]
    codes, printed = stopped(words, signal.SIGKILL, 1)
    assert codes == [2, -signal.SIGKILL], printed
    assert "jaxens: error: another process of this job has ended" in printed[0]
    codes, printed = stopped(words, signal.SIGKILL, 0)
    assert codes[0] == -signal.SIGKILL
    assert codes[1] in (2, -signal.SIGABRT), printed  # by JAX, if it is faster than we are
    assert "another process of this job" in printed[1] or "another task died" in printed[1]
    assert "continuing after" in run(words)
    whole = [*words[:-1], str(tmp_path / "whole")]
    run(whole)
    assert len(logged(out)) == EPOCHS
    assert logged(out) == logged(tmp_path / "whole")
