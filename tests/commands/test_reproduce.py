"""`python -m jaxens.reproduce`: its flags, its mistakes, and its exit status."""

import subprocess
import sys

import pytest

from jaxens.errors import UserError
from jaxens.reproduce import main as reproduce
from tests.reproduction import tiny


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table-9"], "there is no experiment table-9: did you mean table-"),
        (["table-1", "--data-dir", "cub"], "--data-dir cub should be NAME=FOLDER"),
        (["table-1"], "table-1 needs the folder of cub: add --data-dir cub=FOLDER"),
        (["--experiments", "nowhere"], "nowhere has no experiments"),
        (["--standin"], "stand-in"),
    ],
)
def test_a_mistake_is_one_line(words, message, tmp_path):
    with pytest.raises(UserError, match=message) as error:
        reproduce([*words, "--out", str(tmp_path / "out")])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_failed_experiment_is_on_the_page_and_in_the_exit_status(tmp_path):
    experiments = tiny.write(tmp_path / "experiments", ("table-5",))
    tiny.write_config(experiments, "marks-resnet", "wings")
    words = ["--stand-in", "--experiments", experiments, "--out", tmp_path / "out"]
    command = [sys.executable, "-m", "jaxens.reproduce", *words, "--cache-dir", tmp_path / "cache"]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 2
    assert "experiment 1 of 1" in done.stdout
    assert done.stderr.splitlines()[-1].startswith(
        "jaxens: error: 1 of 1 experiments failed (table-5): "
    )
    assert "Traceback" not in done.stdout + done.stderr
    assert "FieldMarks has no task" in (tmp_path / "out" / "reproduction.html").read_text()
