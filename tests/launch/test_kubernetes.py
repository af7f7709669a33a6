"""The JobSet and the image fit together, and fit the hosts of a TPU."""

import math
import re
import signal
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "launch" / "Dockerfile"
JOBSET = ROOT / "launch" / "gke_jobset.yaml"


@pytest.fixture(scope="module")
def spec():
    yaml = pytest.importorskip("yaml")
    [jobset] = yaml.safe_load_all(JOBSET.read_text())
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


def test_the_command_of_the_head_fills_every_placeholder() -> None:
    head, _, body = JOBSET.read_text().partition("\napiVersion")
    names = set(re.findall(r"\$\{(\w+):\?\}", head))
    assert set(re.findall(r": ([A-Z]+)$", body, re.MULTILINE)) == names


def test_the_image_has_what_the_project_needs() -> None:
    text = DOCKERFILE.read_text()
    copied = {word for line in re.findall(r"^COPY (.*) \S+$", text, re.M) for word in line.split()}
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
