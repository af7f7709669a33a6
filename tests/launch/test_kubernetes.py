"""`launch/gke.sh` creates a JobSet, which fits the image and the hosts of a TPU."""

import math
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "launch" / "Dockerfile"
JOBSET = ROOT / "launch" / "gke_jobset.yaml"
SCRIPT = ROOT / "launch" / "gke.sh"
IMAGE = "europe-docker.pkg.dev/a-project/images/jaxens:1.0"
OUT = ["--out", "/runs/birds"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a script of bash")


def run(folder: Path, *words: str, script: Path = SCRIPT):
    """Runs the script; a stand-in of kubectl writes its words and its input to `called`."""
    (folder / "bin").mkdir(parents=True)
    kubectl = folder / "bin" / "kubectl"
    kubectl.write_text('#!/bin/sh\n{ echo "kubectl $*"; cat; } > called\n')
    kubectl.chmod(0o755)
    result = subprocess.run(
        ["bash", str(script), *words],
        cwd=folder,
        env={"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    called = folder / "called"
    return result, called.read_text() if called.exists() else ""


def load(text: str):
    [jobset] = yaml.safe_load_all(text)
    return jobset


@pytest.fixture(scope="module")
def spec(tmp_path_factory):
    _, called = run(tmp_path_factory.mktemp("gke"), IMAGE, "shared", "--out=/runs/birds")
    command, _, text = called.partition("\n")
    assert command == "kubectl create -f -"
    jobset = load(text)
    assert (jobset["apiVersion"], jobset["kind"]) == ("jobset.x-k8s.io/v1alpha2", "JobSet")
    return jobset["spec"]


@pytest.fixture(scope="module")
def job(spec):
    [replicated] = spec["replicatedJobs"]
    assert replicated["replicas"] == 1  # one slice
    return replicated["template"]["spec"]


@pytest.fixture(scope="module")
def pod(job):
    return job["template"]["spec"]


def test_there_is_one_pod_for_each_host(job, pod) -> None:
    [container] = pod["containers"]
    chips = container["resources"]["limits"]["google.com/tpu"]
    topology = pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"]
    assert job["parallelism"] == job["completions"]
    assert job["parallelism"] * chips == math.prod(int(side) for side in topology.split("x"))


def test_all_pods_start_again_together(spec, job, pod) -> None:
    assert job["backoffLimit"] == 0
    assert pod["restartPolicy"] == "Never"
    assert spec["failurePolicy"]["maxRestarts"] > 0
    # A preemption is no failure: the two policies refer to each other.
    disrupted, stopped = job["podFailurePolicy"]["rules"]
    assert disrupted == {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]}
    exits = {"containerName": "train", "operator": "In", "values": [128 + signal.SIGTERM]}
    assert stopped == {"action": "FailJob", "onExitCodes": exits}
    assert [container["name"] for container in pod["containers"]] == [exits["containerName"]]
    [rule] = spec["failurePolicy"]["rules"]
    assert rule["action"] == "RestartJobSetAndIgnoreMaxRestarts"
    assert rule["onJobFailureReasons"] == ["PodFailurePolicy"]


def test_the_run_is_on_the_volume_and_goes_on(pod) -> None:
    [container] = pod["containers"]
    [mount] = container["volumeMounts"]
    [volume] = pod["volumes"]
    flags = dict(flag.partition("=")[::2] for flag in container["args"])
    assert mount["name"] == volume["name"]
    assert flags["--out"].startswith(f"{mount['mountPath']}/")
    assert flags["--resume"] == "auto"
    assert "--distributed" in flags
    # Pods that start again find their data and programs.
    variables = {each["name"]: each["value"] for each in container["env"]}
    for folder in (variables["JAX_COMPILATION_CACHE_DIR"], flags["--cache-dir"]):
        assert folder.startswith(f"{mount['mountPath']}/")


def test_a_pod_saves_before_it_is_killed(pod) -> None:
    [container] = pod["containers"]
    [grace] = [each["value"] for each in container["env"] if each["name"] == "JAXENS_GRACE"]
    assert int(grace) < pod["terminationGracePeriodSeconds"]


def test_the_image_and_the_claim_are_those_of_the_command(pod) -> None:
    assert pod["containers"][0]["image"] == IMAGE
    assert pod["volumes"][0]["persistentVolumeClaim"]["claimName"] == "shared"


def test_the_dry_run_prints_the_command_and_the_jobset(tmp_path: Path) -> None:
    result, called = run(tmp_path, "--dry-run", IMAGE, "shared", *OUT, "--members", "64")
    assert (result.returncode, result.stderr, called) == (0, "", "")
    text = JOBSET.read_text()
    body = text[text.index("apiVersion") :]
    indent = " " * (body.index("- FLAGS") - body.rindex("\n", 0, body.index("- FLAGS")) - 1)
    flags = f"\n{indent}".join(f"- '{word}'" for word in [*OUT, "--members", "64"])
    for name, value in {"IMAGE": f"'{IMAGE}'", "CLAIM": "'shared'", "- FLAGS": flags}.items():
        assert body.count(name) == 1
        body = body.replace(name, value)
    assert result.stdout == f"kubectl create -f - <<'END'\n{body}END\n"


def test_the_dry_run_pasted_does_the_same(tmp_path: Path) -> None:
    words = [IMAGE, "shared", *OUT, "--note", "it's $HOME"]
    dry, _ = run(tmp_path / "dry", "--dry-run", *words)
    (tmp_path / "pasted.sh").write_text(dry.stdout)
    _, pasted = run(tmp_path / "paste", script=tmp_path / "pasted.sh")
    _, called = run(tmp_path / "run", *words)
    assert pasted == called != ""


@pytest.mark.parametrize("out", [["--out", "gs://bucket/birds"], ["--out=gs://bucket/birds"]])
def test_a_run_may_be_at_a_url(tmp_path: Path, out: list[str]) -> None:
    result, called = run(tmp_path, IMAGE, "shared", *out)
    assert result.returncode == 0
    assert "gs://bucket/birds'" in called


def test_flags_reach_the_training_as_they_are(tmp_path: Path) -> None:
    flags = ["--a", """a 'b' "c" #d: & * | \\ é""", "64", "null", "- x", "$(HOME) $$ $x"]
    _, called = run(tmp_path, IMAGE, "shared", *OUT, *flags)
    template = load(called.partition("\n")[2])["spec"]["replicatedJobs"][0]["template"]
    args = template["spec"]["template"]["spec"]["containers"][0]["args"]
    # Kubernetes makes one $ of two.
    assert [word.replace("$$", "$") for word in args][3:] == [*OUT, *flags]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "usage: "),
        ([IMAGE], "usage: "),
        (["--members", "64"], "usage: "),
        ([f"{IMAGE}'", "shared", *OUT], f"{IMAGE}' is no name of an image"),
        ([f"{IMAGE}|x", "shared", *OUT], f"{IMAGE}|x is no name of an image"),
        ([IMAGE, "a: b", *OUT], "a: b is no name of a PersistentVolumeClaim"),
        ([IMAGE, "shared", "--members", "64"], "the flag --out /runs/FOLDER is missing"),
        ([IMAGE, "shared", "--out", "gs:/a"], "the flag --out /runs/FOLDER is missing"),
        ([IMAGE, "shared", "--out", "runs/a"], "the flag --out /runs/FOLDER is missing"),
        ([IMAGE, "shared", *OUT, "--resume=no"], "leave out --resume=no"),
        ([IMAGE, "shared", *OUT, "--resume", "no"], "leave out --resume"),
        ([IMAGE, "shared", *OUT, "a\nb"], "a flag has a line break"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, words: list[str], message: str) -> None:
    result, called = run(tmp_path, *words)
    assert (result.returncode, called) == (2, "")
    assert result.stderr.startswith(f"launch: {message}")
    assert result.stderr.count("\n") == 1


def copied_files() -> set[str]:
    text = DOCKERFILE.read_text()
    return {word for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for word in line.split()}


def test_docker_is_sent_only_what_the_image_has() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied_files()


def test_the_image_has_what_the_project_needs() -> None:
    copied = copied_files()
    assert all((ROOT / name).exists() for name in copied)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert {"pyproject.toml", "constraints.txt", "jaxens"} <= copied
    assert {project["project"]["readme"], *project["project"]["license-files"]} <= copied
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {Path(name).parts[0] for name in wheel["force-include"]} <= copied


def test_the_accelerators_of_the_image_are_extras() -> None:
    text = DOCKERFILE.read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = re.search(r"^# \((\w+), (\w+) or (\w+)\)", text, re.M)
    default = re.search(r"^ARG ACCELERATOR=(\w+)$", text, re.M)
    assert named
    assert default
    assert {*named.groups(), default[1]} <= set(extras["optional-dependencies"])
