"""A run that is killed ends as one that is not: a short form of tests.kills."""

import re
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long]

TRAINING = ["preparation", "a save", "an epoch"]


@pytest.mark.parametrize(
    ("moments", "options"),
    [([*TRAINING, "tables"], []), (TRAINING, ["--signal", "TERM", "--train-only"])],
    ids=["KILL", "TERM"],
)
def test_kills_change_no_bit_of_the_results(moments, options):
    """In a process of its own, because the tests replace the model by a smaller one."""
    words = [*options, "--moments", *moments]
    command = [sys.executable, "-m", "tests.kills", *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stdout + printed.stderr
    for name in moments:
        assert re.search(rf"^kill \d+: \w+, {name} \+ ", printed.stdout, re.M), printed.stdout
    assert "results are bitwise those of the run without a kill" in printed.stdout
