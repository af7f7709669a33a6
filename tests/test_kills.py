"""A run that is killed at random moments ends as one that is not: a short form of tests.kills."""

import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_two_kills_of_a_training_change_no_bit_of_its_results(signal):
    """In a process of its own, because the tests replace the model by a smaller one."""
    words = ["--kills", "2", "--train-only", "--signal", signal]
    command = [sys.executable, "-m", "tests.kills", *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stdout + printed.stderr
    assert "kill 1: train" in printed.stdout
    assert "results are bitwise those of the run without a kill" in printed.stdout
