"""`launch/slurm.sbatch` runs one process per GPU, and queues again when its time is over."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "launch" / "slurm.sbatch"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a script of bash")


def run(
    folder: Path,
    *words: str,
    state: str = "RUNNING",
    code: int = 0,
    script: Path = SCRIPT,
    **variables: str,
):
    """Runs the script as SLURM does; its commands write what they were given to `called`."""
    record = 'echo "${0##*/} $*" >> called\n'
    fakes = {"srun": f"exit {code}\n", "squeue": f"echo {state}\n", "scontrol": ""}
    (folder / "bin").mkdir()
    for name, does in fakes.items():
        path = folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{record}{does}")
        path.chmod(0o755)
    environment = {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "SLURM_JOB_ID": "17",
        "SLURM_NTASKS_PER_NODE": "8",
        "SLURM_GPUS_ON_NODE": "8",
        "SLURM_CPUS_PER_TASK": "4",
    }
    result = subprocess.run(
        ["bash", str(script), *words],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    called = folder / "called"
    return result, called.read_text().splitlines() if called.exists() else []


STEP = "srun --kill-on-bad-exit=0 python3 -m jaxens.train --distributed --resume auto"


def test_the_job_is_one_step_that_goes_on_with_its_run(tmp_path: Path) -> None:
    result, called = run(tmp_path, "--out", "runs/a", "--members", "64")
    assert called == [f"{STEP} --out runs/a --members 64"]
    assert (result.returncode, result.stderr) == (0, "")


def test_the_environment_of_the_checkout_comes_first(tmp_path: Path) -> None:
    own = tmp_path / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.touch(mode=0o755)
    _, called = run(tmp_path, "--out=runs/a")
    assert called == [STEP.replace("python3", ".venv/bin/python") + " --out=runs/a"]


def test_a_job_whose_time_is_over_queues_again(tmp_path: Path) -> None:
    result, called = run(tmp_path, "--out", "runs/a", code=143)
    assert called[-1] == "scontrol requeue 17"
    assert result.returncode == 143
    assert result.stderr == "launch: stopped by SIGTERM: job 17 queues again\n"


@pytest.mark.parametrize(("code", "state"), [(0, "RUNNING"), (1, "RUNNING"), (143, "COMPLETING")])
def test_a_job_that_has_ended_failed_or_was_cancelled_does_not(
    tmp_path: Path, code: int, state: str
) -> None:
    result, called = run(tmp_path, "--out", "runs/a", code=code, state=state)
    assert not any(line.startswith("scontrol") for line in called)
    assert result.returncode == code


def test_the_folder_has_to_be_named(tmp_path: Path) -> None:
    result, called = run(tmp_path, "--members", "64")
    assert (result.returncode, called) == (2, [])
    assert "--out FOLDER is missing" in result.stderr


def test_there_has_to_be_one_task_per_gpu(tmp_path: Path) -> None:
    result, called = run(tmp_path, "--out", "runs/a", SLURM_GPUS_ON_NODE="4")
    assert (result.returncode, called) == (2, [])
    assert result.stderr == "launch: --ntasks-per-node=8 has to be the number of GPUs, 4\n"


@pytest.mark.parametrize("words", [["--resume", "no"], ["--resume=no"], ["--resume"]])
def test_the_script_alone_says_whether_to_resume(tmp_path: Path, words: list[str]) -> None:
    result, called = run(tmp_path, "--out", "runs/a", *words)
    assert (result.returncode, called) == (2, [])
    message = f"launch: leave out {words[0]}: this script always says --resume auto\n"
    assert result.stderr == message


def test_the_dry_run_prints_the_step(tmp_path: Path) -> None:
    result, called = run(tmp_path, "--out", "my runs/it's", DRY_RUN="1")
    functions, _, commands = result.stdout.partition("\nexport ")
    assert "scontrol requeue" in functions
    assert commands.splitlines() == [
        "JAXENS_GRACE=270",
        "export SRUN_CPUS_PER_TASK=4",
        rf"{STEP} --out my\ runs/it\'s",
        "requeue $?",
    ]
    assert (result.returncode, called) == (0, [])


@pytest.mark.parametrize("code", [0, 1, 143])
def test_the_dry_run_pasted_does_the_same(tmp_path: Path, code: int) -> None:
    words = ["--out", "my runs/it's"]
    (tmp_path / "job").mkdir()
    (tmp_path / "dry").mkdir()
    pasted, _ = run(tmp_path / "dry", *words, DRY_RUN="1")
    result, called = run(tmp_path / "job", *words, code=code)
    script = tmp_path / "pasted.sh"
    script.write_text(pasted.stdout)
    (tmp_path / "paste").mkdir()
    again, called_again = run(tmp_path / "paste", code=code, script=script)
    assert called_again == called
    assert again.stderr == result.stderr


def test_the_directives() -> None:
    head, _, rest = SCRIPT.read_text().partition("set -euo pipefail")
    directives = re.findall(r"^#SBATCH (\S+)$", head, re.MULTILINE)
    assert "#SBATCH" not in rest  # sbatch reads none after the first command
    values = dict(directive.split("=") for directive in directives if "=" in directive)
    assert {"--requeue"} == {directive for directive in directives if "=" not in directive}
    assert values["--signal"] == "TERM@300"
    assert values["--open-mode"] == "append"
    assert values["--gres"] == f"gpu:{values['--ntasks-per-node']}"
    assert "--gpus-per-task" not in values
