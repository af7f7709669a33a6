"""A signal to one process of a job stops all of them, at any moment of a training."""

import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from jaxens.models.build import MODELS
from jaxens.models.small import SmallResNet
from tests.cli.moments import SLEEPS
from tests.kills import differences
from tests.training.test_processes import ended, run, start

pytestmark = pytest.mark.long

IN_TIME = 30  # seconds
VAL_IMAGES = 6  # of `flags`
WAITS = 5  # seconds until a process that has compiled waits for the other one


def stopped(
    moment: str, numbers: str, who: int, flags: Sequence[str], folder: Path, after: float = 0
) -> tuple[int, str]:
    """Stops one of two processes at a moment of `moments`, to which some processes come.

    Returns:
        How often a process came to the moment, and what process 0 has printed.
    """
    at = folder / f"{moment} {who} {after:g}"
    at.mkdir()
    processes = start(["tests.cli.moments", moment, numbers, str(at), *flags])
    came = [at / number for number in numbers]
    # Of two processes, one prepares data, and the other waits for it.
    while not (any if moment == "preparation" else all)(path.exists() for path in came):
        assert all(process.poll() is None for process in processes), ended(processes)
        time.sleep(0.02)
    time.sleep(after)
    processes[who].send_signal(signal.SIGTERM)
    began = time.monotonic()
    codes, printed = ended(processes)
    assert codes == [143, 143], printed
    assert time.monotonic() - began < IN_TIME
    return max(len(path.read_text().splitlines()) for path in came if path.exists()), printed[0]


def flags_of(folder: Path, epochs: int) -> list[str]:
    """Returns the flags of a short training into the folder `run`."""
    images = ["--train-images", "24", "--val-images", f"{VAL_IMAGES}", "--test-images", "12"]
    size = ["--members", "2", "--epochs", f"{epochs}", "--batch-size", "8", "--image-size", "16"]
    begin = ["--distributed", "--resume", "auto", "--cache-dir", str(folder / "cache"), "--out"]
    return [*images, *size, *begin, str(folder / "run")]


@pytest.mark.parametrize("who", ["process 0", "both"])
def test_the_others_stay_until_process_0_has_saved(tmp_path, who):
    """JAX ends process 0 some seconds after another process has left the job."""
    flags = flags_of(tmp_path, epochs=500)
    processes = start(["tests.cli.moments", "closing", "0", str(tmp_path), *flags])
    log = tmp_path / "run" / "metrics.jsonl"
    while not (log.exists() and log.read_text()):
        assert all(process.poll() is None for process in processes), ended(processes)
        time.sleep(0.02)
    for process in processes[: 2 if who == "both" else 1]:
        process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    codes, printed = ended(processes)
    assert codes == [143, 143], printed
    assert time.monotonic() - began > SLEEPS["closing"]
    assert "is kept up to" in printed[0]


def test_the_others_stay_until_process_0_has_uploaded(tmp_path):
    """It closes its run for longer than JAX waits for all to leave."""
    flags = flags_of(tmp_path, epochs=1)
    printed = run(["tests.cli.moments", "closing", "0", str(tmp_path), *flags])
    assert "done in" in printed


def test_process_0_alone_needs_to_see_the_run_that_goes_on(tmp_path):
    folders = [tmp_path / name for name in ("0", "1")]  # the disks of two machines
    for folder in folders:
        folder.mkdir()
    *most, out, _ = flags_of(tmp_path, epochs=1)
    flags = ["jaxens.train", *most, out, "run"]
    words = {"auto": flags, "yes": [*flags, "--resume"]}
    for resume in ("auto", "yes"):
        codes, printed = ended(start(words[resume], folders=folders))
        assert codes == [0, 0], printed
    assert "continuing after epoch 1 of 1" in printed[0]
    assert not (folders[1] / "run").exists()

    members = flags.index("--members")
    fewer = flags[:members] + flags[members + 2 :]  # process 0 has them in the run, 1 has not
    codes, printed = ended(start(fewer, folders=folders))
    assert codes == [2, 2], printed
    assert all("processes of this job have different settings" in text for text in printed)


def test_two_processes_stop_at_any_moment_and_go_on(tmp_path, monkeypatch):
    flags = flags_of(tmp_path, epochs=2)
    for who in (0, 1):
        stopped("preparation", "01", who, flags, tmp_path)
    stopped("compilation", "01", 1, flags, tmp_path)
    for who in (0, 1):  # the other one waits for an answer
        stopped("compilation", str(who), who, flags, tmp_path, WAITS)
    for who in (1, 0):  # the second training has all steps of the epoch
        images_scored, printed = stopped("validation", "01", who, flags, tmp_path)
        assert images_scored < VAL_IMAGES
        assert "is kept up to step 3" in printed
    assert "continuing after step 3 of 6" in run(["jaxens.train", *flags])
    run(["jaxens.train", *flags[:-1], str(tmp_path / "whole")])
    monkeypatch.setitem(MODELS, "small", SmallResNet)  # in place of that of our tests
    assert differences(tmp_path / "run", tmp_path / "whole") == []
