"""`python -m jaxens.reproduce`: its flags, its mistakes, and its exit status."""

import pytest

from jaxens.cli.console import console
from jaxens.errors import UserError
from jaxens.reproduce import main as reproduce
from tests.reproduction import tiny


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["table-9"], "there is no experiment table-9: did you mean table-"),
        (["table-1", "--data-dir", "cub"], "--data-dir cub should be NAME=FOLDER"),
        (["--data-dir", "cub=a", "cub=b"], "--data-dir cub=a cub=b names a data set twice"),
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
    with (
        console.capture() as capture,
        pytest.raises(UserError, match=r"1 of 1 experiments failed \(table-5\)"),
    ):
        reproduce([*words, "--cache-dir", tmp_path / "cache"])
    assert "table-5: experiment 1 of 1" in capture.get()
    assert "of 4 rows of the paper, 4 have no counterpart" in capture.get()
    assert "there is no task" in (tmp_path / "out" / "reproduction.html").read_text()
