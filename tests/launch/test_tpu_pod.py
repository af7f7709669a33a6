"""`launch/tpu_pod.sh` trains on all hosts of a TPU, and starts again after a preemption."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "launch" / "tpu_pod.sh"
TPU = ["--name", "birds", "--zone", "a-zone", "--type", "v5litepod-16", "--version", "a-version"]
OUT = ["--", "--out", "/mnt/runs/a"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a script of bash")

# The fakes write what they were given to `called`. `states` has one line for each time that the
# state of the TPU is looked up, `codes` one exit code for each training, `refusals` one error for
# each creation.
GCLOUD = """#!/usr/bin/env bash
printf '%s\\n' "$*" >> called
next() { head -n 1 "$1"; sed -i.bak 1d "$1"; }
case "$*" in
  *" describe "*)
    now=$(next states)
    case $now in
      '') echo "ERROR: (gcloud.compute) NOT_FOUND: Resource 'birds' was not found." >&2; exit 1 ;;
      OFFLINE) echo "ERROR: gcloud is offline" >&2; exit 1 ;;
      *) echo "$now" ;;
    esac
    ;;
  *" create "*)
    refusal=$(next refusals)
    [[ -z $refusal ]] || { echo "ERROR: (gcloud.compute) $refusal: no" >&2; exit 1; }
    ;;
  *"-m jaxens.train"*) exit "$(next codes)" ;;
esac
"""
GIT = "#!/bin/sh\n"


def run(folder: Path, *words: str, states="", codes="0", refusals="", **variables: str):
    """Runs the script; returns what it printed, and the commands of gcloud without their group."""
    (folder / "bin").mkdir()
    for name, text in {"gcloud": GCLOUD, "git": GIT}.items():
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    for name, lines in {"states": states, "codes": codes, "refusals": refusals}.items():
        (folder / name).write_text(lines.replace(" ", "\n") + "\n")
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
    commands = called.read_text().split("compute tpus tpu-vm ")[1:] if called.exists() else []
    return result, [command.removesuffix("\n") for command in commands]


def names(called: list[str]) -> list[str]:
    """The commands, with names for those that end and start training."""
    marks = {"-m jaxens.train": "train", "--command=end_training": "end"}
    return [
        next((name for mark, name in marks.items() if mark in command), command.split()[0])
        for command in called
    ]


def definition() -> str:
    """The function that runs on the hosts, as the shell on this machine prints it."""
    text = SCRIPT.read_text()
    source = text[text.index("\nend_training() {") : text.index("\ntrain() {")]
    command = ["bash", "-c", f"{source}\ndeclare -f end_training"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip("\n")


def test_the_dry_run_prints_every_command(tmp_path: Path) -> None:
    options = ["--dry-run", "--spot", "--delete", "--setup", "sudo mount nfs:/a /mnt/runs"]
    result, called = run(tmp_path, *TPU, *options, "--", "--out", "/mnt/runs/it's a")
    assert (result.returncode, result.stderr, called) == (0, "", [])
    tpu = "gcloud compute tpus tpu-vm"
    ssh = f"{tpu} ssh birds --worker=all '--ssh-flag=-o ServerAliveInterval=30'"
    output = result.stdout.replace(str(SCRIPT.parents[1]), "CHECKOUT")
    assert output.replace(definition(), "DEFINITION").splitlines() == [
        f"{tpu} describe birds '--format=value(state)' --zone=a-zone",
        f"{tpu} create birds --accelerator-type=v5litepod-16 --version=a-version --spot"
        " --zone=a-zone",
        f"{ssh} '--command=DEFINITION; end_training 28' --zone=a-zone",
        "git -C CHECKOUT archive --format=tar.gz --output=/temporary/jaxens.tar.gz HEAD",
        f"{tpu} scp /temporary/jaxens.tar.gz birds: --worker=all --zone=a-zone",
        f"{ssh} '--command=sudo mount nfs:/a /mnt/runs' --zone=a-zone",
        f"{ssh} '--command=rm -rf jaxens && mkdir jaxens && tar -xzf jaxens.tar.gz -C jaxens"
        " && cd jaxens && { [ -x ~/.local/bin/uv ] ||"
        " curl -LsSf https://astral.sh/uv/install.sh | sh; }"
        " && ~/.local/bin/uv venv -q --python 3.11 .venv"
        " && ~/.local/bin/uv pip install -q -p .venv/bin/python -c constraints.txt"
        r" -e '\''.[tpu,gcs]'\''' --zone=a-zone",
        f"{ssh} '--command=cd jaxens"
        " && if [ -e training.pid ]; then kill $(cat training.pid); exit 143; fi"
        " && echo $$ >training.pid && exec env JAXENS_GRACE=25 .venv/bin/python -m jaxens.train"
        r" --distributed --resume auto --out '\''/mnt/runs/it'\''\'\'''\''s a'\''' --zone=a-zone",
        f"{tpu} delete birds --quiet --zone=a-zone",
    ]


def test_a_flag_reaches_the_hosts_as_it_is(tmp_path: Path) -> None:
    """After two shells: that which a dry run is pasted into, and that of the host."""
    flags = ["--out", """a 'b' "c" $HOME * \\ é"""]
    result, _ = run(tmp_path, *TPU, "--dry-run", "--", *flags)
    line = result.stdout.splitlines()[-1]
    gcloud = f'gcloud() {{ printf "%s" "$8"; }}; {line}'
    pasted = subprocess.run(
        ["bash", "-c", gcloud], capture_output=True, text=True, check=True
    ).stdout
    training = pasted.partition("exec env JAXENS_GRACE=25 .venv/bin/python ")[2]
    words = subprocess.run(
        ["bash", "-c", f'printf "%s\\n" {training}'], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert words == ["-m", "jaxens.train", "--distributed", "--resume", "auto", *flags]


def test_a_tpu_that_is_there_is_used_and_stays(tmp_path: Path) -> None:
    result, called = run(tmp_path, *TPU, "--project", "a-project", *OUT, states="READY")
    assert result.returncode == 0
    assert names(called) == ["describe", "end", "scp", "ssh", "train"]
    assert all("--zone=a-zone --project=a-project" in line for line in called)
    assert result.stderr.endswith(
        "delete it with:\n"
        "gcloud compute tpus tpu-vm delete birds --quiet --zone=a-zone --project=a-project\n"
    )


def test_a_tpu_is_created_and_deleted(tmp_path: Path) -> None:
    result, called = run(tmp_path, *TPU, "--delete", *OUT)
    assert result.returncode == 0
    assert names(called) == ["describe", "create", "end", "scp", "ssh", "train", "delete"]


@pytest.mark.parametrize("code", ["255", "143", "1"])
def test_after_a_preemption_training_goes_on_with_another_tpu(tmp_path: Path, code: str) -> None:
    states = "READY PREEMPTED PREEMPTED"
    result, called = run(tmp_path, *TPU, *OUT, states=states, codes=f"{code} 0")
    assert result.returncode == 0
    assert names(called) == [
        *("describe", "end", "scp", "ssh", "train", "describe"),
        *("describe", "delete", "create", "end", "scp", "ssh", "train"),
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
    assert names(called) == ["describe", "describe", "end", "scp", "ssh", "train"]


def test_it_gives_up_after_the_retries(tmp_path: Path) -> None:
    states = " ".join(["READY"] * 4)
    words = ["--retries", "1", *OUT]
    result, called = run(tmp_path, *TPU, *words, states=states, codes="255 255")
    assert result.returncode == 1
    assert names(called).count("train") == 2
    assert "launch: gave up after 1 retries\n" in result.stderr


def test_each_start_ends_first_what_a_lost_connection_has_left(tmp_path: Path) -> None:
    result, called = run(tmp_path, *TPU, *OUT, states="READY READY READY", codes="255 0")
    assert result.returncode == 0
    start = ["end", "scp", "ssh", "train"]
    assert names(called) == ["describe", *start, "describe", "describe", *start]


def test_a_state_that_is_unknown_is_no_missing_tpu(tmp_path: Path) -> None:
    states = "READY OFFLINE READY"
    result, called = run(tmp_path, *TPU, *OUT, states=states, codes="2")
    assert result.returncode == 2
    assert names(called) == ["describe", "end", "scp", "ssh", "train", "describe", "describe"]
    assert "ERROR: gcloud is offline\nlaunch: the state of birds is unknown\n" in result.stderr
    assert "launch: training failed with exit code 2\n" in result.stderr


def test_without_an_answer_at_the_start_it_ends(tmp_path: Path) -> None:
    result, called = run(tmp_path, *TPU, *OUT, states="OFFLINE READY")
    assert result.returncode == 1
    assert names(called) == ["describe"]
    assert "ERROR: gcloud is offline\nlaunch: the state of birds is unknown\n" in result.stderr


@pytest.mark.parametrize("refusal", ["INVALID_ARGUMENT", "PERMISSION_DENIED"])
def test_a_tpu_that_is_refused_is_not_tried_again(tmp_path: Path, refusal: str) -> None:
    result, called = run(tmp_path, *TPU, *OUT, refusals=refusal)
    assert result.returncode == 1
    assert names(called) == ["describe", "create"]
    assert f"{refusal}: no\nlaunch: birds can't be created\n" in result.stderr


def test_a_tpu_without_capacity_is_tried_again(tmp_path: Path) -> None:
    result, called = run(tmp_path, *TPU, *OUT, refusals="RESOURCE_EXHAUSTED")
    assert result.returncode == 0
    start = ["end", "scp", "ssh", "train"]
    assert names(called) == ["describe", "create", "describe", "create", *start]


# Instead of Python on a host.
SAVES = (
    "trap 'echo saved >> ~/log; exit 143' TERM; echo ready >> ~/log; while :; do sleep 0.02; done"
)
STUBBORN = "trap '' TERM; echo ready >> ~/log; while :; do sleep 0.02; done"
Host = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    """Runs a command as sshd on a host does, and ends what it leaves."""
    started: list[subprocess.Popen[str]] = []

    def host(command: str) -> subprocess.Popen[str]:
        home = os.environ | {"HOME": str(tmp_path)}
        process = subprocess.Popen(
            ["bash", "-c", command], cwd=tmp_path, env=home, start_new_session=True, text=True
        )
        started.append(process)
        return process

    yield host
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def commands(folder: Path) -> tuple[str, str]:
    """The commands that end and start training on a host."""
    result, _ = run(folder, *TPU, "--dry-run", *OUT, JAXENS_GRACE="0")
    pasted = (
        f"gcloud() {{ [[ $4 != ssh ]] || printf '%s\\0' \"$8\"; }}; git() {{ :; }}; {result.stdout}"
    )
    printed = subprocess.run(["bash", "-c", pasted], capture_output=True, text=True, check=True)
    end, _, start, _ = printed.stdout.replace("--command=", "").split("\0")
    return end, start


def train_on(host: Host, folder: Path, start: str, python: str) -> subprocess.Popen[str]:
    path = folder / "jaxens" / ".venv" / "bin" / "python"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/usr/bin/env bash\n{python}\n")
    path.chmod(0o755)
    training = host(start)
    while not (folder / "log").exists():
        assert training.poll() is None
    return training


@pytest.mark.parametrize(("python", "code"), [(SAVES, 143), (STUBBORN, -signal.SIGKILL)])
def test_a_training_that_is_left_on_a_host_is_ended(
    tmp_path: Path, host: Host, python: str, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")  # ps would cut its lines
    end, start = commands(tmp_path)
    training = train_on(host, tmp_path, start, python)
    threading.Thread(target=training.wait).start()  # as init does
    assert host(end).wait(timeout=30) == 0
    assert training.wait(timeout=30) == code


def test_a_connection_that_gcloud_repeats_starts_no_second_training(
    tmp_path: Path, host: Host
) -> None:
    _, start = commands(tmp_path)
    training = train_on(host, tmp_path, start, SAVES)
    assert host(start).wait(timeout=30) == 143
    assert training.wait(timeout=30) == 143
    assert (tmp_path / "log").read_text() == "ready\nsaved\n"


def test_another_program_with_the_number_of_a_training_goes_on(tmp_path: Path, host: Host) -> None:
    end, _ = commands(tmp_path)
    assert host(end).wait(timeout=30) == 0  # nothing was ever started
    other = host("exec sleep 60")
    (tmp_path / "jaxens").mkdir()
    (tmp_path / "jaxens" / "training.pid").write_text(f"{other.pid}\n")
    assert host(end).wait(timeout=30) == 0
    assert other.poll() is None


def test_variables_reach_the_training(tmp_path: Path) -> None:
    options = ["--dry-run", "--env", "A=/b", "--env", "B=c"]
    result, _ = run(tmp_path, *TPU, *options, *OUT, JAXENS_GRACE="60")
    start = "exec env A=/b B=c JAXENS_GRACE=60 .venv/bin/python -m jaxens.train"
    assert start in result.stdout.splitlines()[-1]
    assert "; end_training 63'" in result.stdout


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
        ([*TPU, "--env", "A", *OUT], "--env A has to be NAME=VALUE"),
        ([*TPU, "--env", "JAXENS_GRACE=9", *OUT], "leave out --env JAXENS_GRACE=9"),
        ([*TPU, *OUT, "--resume", "no"], "leave out --resume"),
        ([*TPU, *OUT, "--resume=no"], "leave out --resume=no"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, words: list[str], message: str) -> None:
    result, called = run(tmp_path, *words)
    assert (result.returncode, called) == (2, [])
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
