"""`launch/tpu_pod.sh` trains on all hosts of a TPU, and starts again after a preemption."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "launch" / "tpu_pod.sh"
TPU = ["--name", "birds", "--zone", "a-zone", "--type", "v5litepod-16", "--version", "a-version"]
OUT = ["--", "--out", "/mnt/runs/a"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a script of bash")

# The fakes write what they were given to `called`. `states` has one line for each time that the
# state of the TPU is looked up, `codes` one exit code for each training.
GCLOUD = """#!/usr/bin/env bash
printf '%s\\n' "$*" >> called
next() { head -n 1 "$1"; sed -i.bak 1d "$1"; }
case "$*" in
  *" describe "*) now=$(next states); [[ -n $now ]] || exit 1; echo "$now" ;;
  *jaxens.train*) exit "$(next codes)" ;;
esac
"""
GIT = "#!/bin/sh\n"


def run(folder: Path, *words: str, states: str = "", codes: str = "0", **variables: str):
    """Runs the script; returns what it printed, and the commands of gcloud without their group."""
    (folder / "bin").mkdir()
    for name, text in {"gcloud": GCLOUD, "git": GIT}.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    (folder / "states").write_text(states.replace(" ", "\n") + "\n")
    (folder / "codes").write_text(codes.replace(" ", "\n") + "\n")
    result = subprocess.run(
        ["bash", str(SCRIPT), *words],
        cwd=folder,
        env={
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": "/temporary" if "--dry-run" in words else str(folder),
            "PAUSE": "0",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    called = folder / "called"
    lines = called.read_text().splitlines() if called.exists() else []
    return result, [line.removeprefix("compute tpus tpu-vm ") for line in lines]


def names(called: list[str]) -> list[str]:
    """The commands, with "train" for the one that trains."""
    return ["train" if "jaxens.train" in line else line.split()[0] for line in called]


def test_the_dry_run_prints_every_command(tmp_path: Path) -> None:
    options = ["--dry-run", "--spot", "--delete", "--setup", "sudo mount nfs:/a /mnt/runs"]
    result, called = run(tmp_path, *TPU, *options, "--", "--out", "/mnt/runs/it's a")
    assert (result.returncode, result.stderr, called) == (0, "", [])
    tpu = "gcloud compute tpus tpu-vm"
    ssh = f"{tpu} ssh birds --worker=all '--ssh-flag=-o ServerAliveInterval=30'"
    assert result.stdout.replace(str(SCRIPT.parents[1]), "CHECKOUT").splitlines() == [
        f"{tpu} describe birds '--format=value(state)' --zone=a-zone",
        f"{tpu} create birds --accelerator-type=v5litepod-16 --version=a-version --spot"
        " --zone=a-zone",
        "git -C CHECKOUT archive --format=tar.gz --output=/temporary/jaxens.tar.gz HEAD",
        f"{tpu} scp /temporary/jaxens.tar.gz birds: --worker=all --zone=a-zone",
        f"{ssh} '--command=sudo mount nfs:/a /mnt/runs' --zone=a-zone",
        f"{ssh} '--command=rm -rf jaxens && mkdir jaxens && tar -xzf jaxens.tar.gz -C jaxens"
        " && cd jaxens && { [ -x ~/.local/bin/uv ] ||"
        " curl -LsSf https://astral.sh/uv/install.sh | sh; }"
        " && ~/.local/bin/uv venv -q --python 3.11 .venv"
        " && ~/.local/bin/uv pip install -q -p .venv/bin/python -c constraints.txt"
        r" -e '\''.[tpu]'\''' --zone=a-zone",
        f"{ssh} '--command=cd jaxens && exec .venv/bin/python -m jaxens.train --distributed"
        r" --resume auto --out '\''/mnt/runs/it'\''\'\'''\''s a'\''' --zone=a-zone",
        f"{tpu} delete birds --quiet --zone=a-zone",
    ]


def test_a_flag_reaches_the_hosts_as_it_is(tmp_path: Path) -> None:
    """After two shells: that which a dry run is pasted into, and that of the host."""
    flags = ["--out", """a 'b' "c" $HOME * \\ é"""]
    result, _ = run(tmp_path, *TPU, "--dry-run", "--", *flags)
    line = result.stdout.splitlines()[-1]
    pasted = subprocess.run(
        ["bash", "-c", f'gcloud() {{ printf "%s" "$8"; }}; {line}'],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    training = pasted.partition("exec .venv/bin/python ")[2]
    words = subprocess.run(
        ["bash", "-c", f'printf "%s\\n" {training}'], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert words == ["-m", "jaxens.train", "--distributed", "--resume", "auto", *flags]


def test_a_tpu_that_is_there_is_used_and_stays(tmp_path: Path) -> None:
    result, called = run(tmp_path, *TPU, "--project", "a-project", *OUT, states="READY")
    assert result.returncode == 0
    assert names(called) == ["describe", "scp", "ssh", "train"]
    assert all("--zone=a-zone --project=a-project" in line for line in called)
    assert result.stderr.endswith(
        "delete it with:\n"
        "gcloud compute tpus tpu-vm delete birds --quiet --zone=a-zone --project=a-project\n"
    )


def test_a_tpu_is_created_and_deleted(tmp_path: Path) -> None:
    result, called = run(tmp_path, *TPU, "--delete", *OUT)
    assert result.returncode == 0
    assert names(called) == ["describe", "create", "scp", "ssh", "train", "delete"]


@pytest.mark.parametrize("code", ["255", "143", "1"])
def test_after_a_preemption_training_goes_on_with_another_tpu(tmp_path: Path, code: str) -> None:
    states = "READY PREEMPTED PREEMPTED"
    result, called = run(tmp_path, *TPU, *OUT, states=states, codes=f"{code} 0")
    assert result.returncode == 0
    assert names(called) == [
        *("describe", "scp", "ssh", "train", "describe"),
        *("describe", "delete", "create", "scp", "ssh", "train"),
    ]
    assert f"interrupted (exit code {code}, the TPU is PREEMPTED)\n" in result.stderr


@pytest.mark.parametrize("code", ["255", "143"])  # a lost connection, SIGTERM
def test_training_that_was_stopped_goes_on_with_the_same_tpu(tmp_path: Path, code: str) -> None:
    result, called = run(tmp_path, *TPU, *OUT, states="READY READY READY", codes=f"{code} 0")
    assert result.returncode == 0
    assert names(called).count("train") == 2
    assert "create" not in names(called)


def test_training_that_fails_is_not_repeated(tmp_path: Path) -> None:
    result, called = run(tmp_path, *TPU, *OUT, states="READY READY", codes="2")
    assert result.returncode == 2
    assert names(called).count("train") == 1
    assert "launch: training failed with exit code 2\n" in result.stderr


def test_it_waits_for_a_tpu_that_is_being_created(tmp_path: Path) -> None:
    result, called = run(tmp_path, *TPU, *OUT, states="CREATING READY")
    assert result.returncode == 0
    assert names(called) == ["describe", "describe", "scp", "ssh", "train"]


def test_it_gives_up_after_the_retries(tmp_path: Path) -> None:
    states = " ".join(["READY"] * 4)
    words = ["--retries", "1", *OUT]
    result, called = run(tmp_path, *TPU, *words, states=states, codes="255 255")
    assert result.returncode == 1
    assert names(called).count("train") == 2
    assert "launch: gave up after 1 retries\n" in result.stderr


@pytest.mark.parametrize("option", ["name", "zone", "type", "version"])
def test_what_is_missing_is_named(tmp_path: Path, option: str) -> None:
    place = TPU.index(f"--{option}")
    words = [*TPU[:place], *TPU[place + 2 :], *OUT]
    result, called = run(tmp_path, *words)
    message = f"launch: --{option} is missing (or the variable TPU_{option.upper()})\n"
    assert (result.returncode, result.stderr, called) == (2, message, [])
    (tmp_path / "again").mkdir()
    variable = {f"TPU_{option.upper()}": "x"}
    assert run(tmp_path / "again", *words, states="READY", **variable)[0].returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*TPU, "--", "--members", "64"], "--out FOLDER is missing"),
        ([*TPU, "--members", "64"], "--members is no option of launch/tpu_pod.sh"),
        ([*TPU, "--setup", *OUT], "--setup has no value"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, words: list[str], message: str) -> None:
    result, called = run(tmp_path, *words)
    assert (result.returncode, called) == (2, [])
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
