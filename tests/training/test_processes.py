"""Two processes learn what one does, and train one run directory."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest

from tests.training.on_devices import check_alike, config_of, learned
from tests.training.test_mesh import ALONE

pytestmark = pytest.mark.slow


def run_two(words: Sequence[str], devices: int = 1) -> str:
    """Runs a program as two processes, and returns what process 0 has printed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    processes = []
    for number in range(2):
        environment = os.environ | {
            "JAX_COORDINATOR_ADDRESS": address,
            "JAX_NUM_PROCESSES": "2",
            "JAX_PROCESS_ID": str(number),
            "JAX_NUM_CPU_DEVICES": str(devices),
        }
        command = [sys.executable, "-m", *words]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        processes.append(subprocess.Popen(command, env=environment, **pipes))  # type: ignore[call-overload]
    printed = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    return printed[0]


def test_two_processes_with_two_devices_learn_what_one_does(tmp_path):
    case = {"cache": str(tmp_path), "layouts": [(2, 2)], "learned": str(tmp_path / "learned.npz")}
    config = config_of(str(tmp_path))
    expected = learned(config, ALONE)  # draws the images, too
    run_two(["tests.training.on_devices", json.dumps(case)], devices=2)
    with np.load(tmp_path / "learned.npz") as arrays:
        check_alike(arrays.values(), expected)


def test_two_processes_train_one_run_and_go_on_with_it(flags, tmp_path):
    out = tmp_path / "run"
    words = ["jaxens.train", "--distributed", *flags, "--out", str(out), "--resume", "auto"]
    assert "training on 2 devices: member=2,data=1" in run_two(words)
    lines = (out / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line).get("epoch") for line in lines] == [1, 2, None]
    assert (out / "look.png").is_file()
    (out / "metrics.jsonl").write_text("\n".join(lines[:2]) + "\n")
    assert "training on" not in run_two(words)  # all epochs are there: it is scored alone
    assert len((out / "metrics.jsonl").read_text().splitlines()) == 3
