"""`launch/local.sh` starts processes that know of each other, and ends all if one fails."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from jaxens.cli.signals import GRACE

SCRIPT = Path(__file__).parents[2] / "launch" / "local.sh"
FLAGS = ["--members", "4", "--out", "my runs/it's", "--note", '"$HOME" *']

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="a script of bash"),
]

# Instead of training: shows what it was given, and does what the test asks for.
PYTHON = """#!/usr/bin/env bash
echo "process $JAX_PROCESS_ID of $JAX_NUM_PROCESSES at $JAX_COORDINATOR_ADDRESS"
printf '<%s>' "$@"; echo
eval "$BEHAVIOR"
"""
RUN_ON = "trap 'echo saved; exit 143' TERM; echo ready; while :; do sleep 0.02; done"
STUBBORN = "trap 'echo asked' TERM; echo ready; while :; do sleep 0.02; done"


@pytest.fixture
def python(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "python3"
    path.parent.mkdir()
    path.write_text(PYTHON)
    path.chmod(0o755)
    return path


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(python: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts the script as a terminal does, in a process group of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(
        *words: str, behavior: str = "", script: Path = SCRIPT, **variables: str
    ) -> subprocess.Popen[str]:
        environment = os.environ | {
            "PYTHON": str(python),
            "BEHAVIOR": behavior,
            "TMPDIR": str(tmp_path),
        }
        # Tests in the background of a shell ignore these, and children inherit that.
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
        before = {number: signal.signal(number, handler) for number, handler in usual.items()}
        try:
            process = subprocess.Popen(
                ["bash", str(script), *words],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
                env=environment | variables,
            )
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        started.append(process)
        return process

    yield start
    for process in started:  # what a test that failed has left
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


def logs(folder: Path) -> Mapping[str, str]:
    """The logs of a run, by name."""
    return {path.name: path.read_text() for path in folder.glob("jaxens.*/*")}


def wait_until_ready(process: subprocess.Popen[str], folder: Path) -> None:
    """Waits for process 0, which prints, and process 1, which writes."""
    assert process.stdout is not None
    while process.stdout.readline() != "ready\n":
        assert process.poll() is None
    while "ready\n" not in logs(folder).get("process-1.log", ""):
        assert process.poll() is None


def test_processes_know_their_number_and_where_to_meet(start: Start, tmp_path: Path) -> None:
    code, output, errors = ended(start("3", *FLAGS))
    assert code == 0
    first, words = output.splitlines()
    found = re.fullmatch(r"process 0 of 3 at (127\.0\.0\.1:\d+)", first)
    assert found
    assert words == "".join(f"<{word}>" for word in ["-m", "jaxens.train", "--distributed", *FLAGS])
    assert logs(tmp_path) == {
        f"process-{i}.log": f"process {i} of 3 at {found[1]}\n{words}\n" for i in (1, 2)
    }
    assert errors.endswith("launch: all processes have ended\n")


@pytest.mark.parametrize("number", [0, 1])
def test_a_process_that_fails_ends_the_others(start: Start, tmp_path: Path, number: int) -> None:
    # It fails when the other one runs.
    fails = f"while ! grep -q ready {tmp_path}/ready; do sleep 0.02; done; echo broken >&2; exit 3"
    waits = f"{RUN_ON.replace('echo ready', f'echo ready > {tmp_path}/ready')}"
    behavior = f"if [ $JAX_PROCESS_ID = {number} ]; then {fails}; else {waits}; fi"
    code, output, errors = ended(start("2", behavior=behavior))
    assert code == 3
    assert f"launch: process {number} failed with exit code 3\n" in errors
    assert "\nbroken\n" in errors
    assert ("the last lines of" in errors) == (number == 1)
    assert "launch: ending the others\n" in errors
    assert "saved" in (output if number == 1 else logs(tmp_path)["process-1.log"])


@pytest.mark.parametrize(
    ("number", "name", "to_all"),
    [
        (signal.SIGINT, "Ctrl-C", True),  # as from a terminal
        (signal.SIGINT, "Ctrl-C", False),
        (signal.SIGTERM, "SIGTERM", False),
        (signal.SIGHUP, "SIGHUP", True),
        (signal.SIGHUP, "SIGHUP", False),
    ],
)
def test_a_signal_ends_all_processes_in_order(
    start: Start, tmp_path: Path, number: signal.Signals, name: str, to_all: bool
) -> None:
    process = start("2", behavior=RUN_ON)
    wait_until_ready(process, tmp_path)
    (os.killpg if to_all else os.kill)(process.pid, number)
    code, output, errors = ended(process)
    assert code == 128 + number
    assert errors.endswith(f"launch: {name}: ending all processes\n")
    assert output == "saved\n"
    assert logs(tmp_path)["process-1.log"].endswith("ready\nsaved\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_processes_start_is_not_lost(start: Start, number: signal.Signals) -> None:
    # Process 1 starts first.
    behavior = f"[ $JAX_PROCESS_ID = 0 ] || kill -{number.value} $PPID; {RUN_ON}"
    code, _, errors = ended(start("2", behavior=behavior))
    assert code == 128 + number
    assert errors.endswith("ending all processes\n")


def test_a_second_signal_kills_processes_that_go_on(start: Start, tmp_path: Path) -> None:
    process = start("2", behavior=STUBBORN)
    wait_until_ready(process, tmp_path)
    process.send_signal(signal.SIGTERM)
    while "asked" not in logs(tmp_path)["process-1.log"]:
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    code, _, errors = ended(process)
    assert code == 143
    assert "launch: SIGTERM: killing what still runs\n" in errors


def test_a_process_that_outlives_a_failure_is_killed(start: Start, tmp_path: Path) -> None:
    fails = f"while [ ! -e {tmp_path}/ready ]; do sleep 0.02; done; exit 3"
    behavior = f"if [ $JAX_PROCESS_ID = 1 ]; then {fails}; fi; touch {tmp_path}/ready; {STUBBORN}"
    code, output, errors = ended(start("2", behavior=behavior, JAXENS_GRACE="0"))
    assert code == 3
    assert "asked" in output
    assert "launch: 1 of 2 processes did not end in 3 seconds: killing them\n" in errors


def test_a_process_that_outlives_a_signal_is_killed(start: Start, tmp_path: Path) -> None:
    process = start("2", behavior=STUBBORN, JAXENS_GRACE="0")
    wait_until_ready(process, tmp_path)
    process.send_signal(signal.SIGTERM)
    code, _, errors = ended(process)
    assert code == 143
    assert "launch: SIGTERM: ending all processes\n" in errors
    assert "launch: 2 of 2 processes did not end in 3 seconds: killing them\n" in errors


@pytest.mark.parametrize(
    ("variables", "grace"), [({}, f"{GRACE:g}"), ({"JAXENS_GRACE": "60"}, "60")]
)
def test_processes_know_how_long_they_have_to_end(
    start: Start, variables: dict[str, str], grace: str
) -> None:
    code, output, _ = ended(start("1", behavior="echo $JAXENS_GRACE", **variables))
    assert (code, output.splitlines()[-1]) == (0, grace)


def test_a_time_to_end_that_is_no_number_is_one_line(start: Start) -> None:
    message = "launch: JAXENS_GRACE=1m has to be a whole number of seconds\n"
    assert ended(start("2", JAXENS_GRACE="1m")) == (2, "", message)


@pytest.mark.parametrize("words", [[], ["0"], ["two"], ["--members", "4"]])
def test_without_a_number_it_says_how_to_use_it(start: Start, words: list[str]) -> None:
    usage = "launch: usage: launch/local.sh [--dry-run] N [flags of jaxens.train ...]\n"
    assert ended(start(*words)) == (2, "", usage)


def test_the_dry_run_prints_what_can_be_pasted(start: Start, python: Path, tmp_path: Path) -> None:
    code, output, errors = ended(start("--dry-run", "2", *FLAGS))
    assert (code, errors) == (0, "")
    assert not logs(tmp_path)
    output = output.replace(str(python), "PYTHON")
    output = re.sub(re.escape(str(tmp_path)) + r"/jaxens\.\w+", "LOGS", output)
    assert re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", output) == (
        "mkdir LOGS\n"
        "env JAX_COORDINATOR_ADDRESS=ADDRESS JAX_NUM_PROCESSES=2 JAX_PROCESS_ID=1"
        " JAX_LOCAL_DEVICE_IDS=1 JAXENS_GRACE=25 PYTHON -m jaxens.train --distributed --members 4"
        r""" --out my\ runs/it\'s --note \"\$HOME\"\ \* >LOGS/process-1.log 2>&1 &"""
        "\n"
        "env JAX_COORDINATOR_ADDRESS=ADDRESS JAX_NUM_PROCESSES=2 JAX_PROCESS_ID=0"
        " JAX_LOCAL_DEVICE_IDS=0 JAXENS_GRACE=25 PYTHON -m jaxens.train --distributed --members 4"
        r""" --out my\ runs/it\'s --note \"\$HOME\"\ \*"""
        "\n"
    )


def test_the_dry_run_pasted_does_the_same(start: Start, tmp_path: Path) -> None:
    _, pasted, _ = ended(start("--dry-run", "2", *FLAGS))
    script = tmp_path / "pasted.sh"
    script.write_text(f"{pasted}wait\n")
    code, output, _ = ended(start(script=script))
    words = "".join(f"<{word}>" for word in ["-m", "jaxens.train", "--distributed", *FLAGS])
    assert code == 0
    assert output.splitlines()[1] == words
    assert logs(tmp_path)["process-1.log"].splitlines()[1] == words


def test_it_takes_the_environment_of_the_checkout_or_else_python3(
    start: Start, python: Path, tmp_path: Path
) -> None:
    script = tmp_path / "check out" / "launch" / "local.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(SCRIPT, script)
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    with_python3 = ended(start("1", script=script, PYTHON="", PATH=path))
    assert with_python3[2].startswith("launch: 1 x python3, meeting at ")
    own = tmp_path / "check out" / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    shutil.copy(python, own)
    with_own = ended(start("1", script=script, PYTHON="", PATH=path))
    assert with_own[2].startswith(f"launch: 1 x {own}, meeting at ")
    assert with_python3[0] == with_own[0] == 0


@pytest.mark.long
def test_two_processes_train_four_members(flags: list[str], tmp_path: Path) -> None:
    """Without a stand-in for Python, and with process 0 drawing alone at the end."""
    words = ["bash", str(SCRIPT), "2", *flags, "--members", "4", "--out", str(tmp_path / "run")]
    environment = os.environ | {"PYTHON": sys.executable, "TMPDIR": str(tmp_path)}
    result = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert "training on 2 devices: member=2,data=1" in result.stdout
    assert "all processes have ended" in result.stdout + result.stderr
    assert (tmp_path / "run" / "look.png").is_file()
