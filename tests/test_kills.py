"""A run that is killed ends as one that is not: a short form of tests.kills."""

import re
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long]

# What the lines of the kills say, in their order.
KILLED = {
    "preparation": "train, .*: the images are half-prepared",
    "a save": "train, .*, checkpoint . half-written",
    "an epoch": "train, .* lines in the log",
    "tables": "evaluate, .* files of the evaluation",
}
# A training that is asked to stop removes half of a preparation.
ASKED = {
    "preparation": "train, .*: no run yet -> code 143",
    "a save": "train, .* lines in the log.* -> code 143",
    "an epoch": "train, .* lines in the log.* -> code 143",
}


@pytest.mark.parametrize(
    ("moments", "options"),
    [(KILLED, ["--seed", "416"]), (ASKED, ["--signal", "TERM", "--train-only"])],
    ids=["KILL", "TERM"],
)
def test_kills_change_no_bit_of_the_results(moments, options):
    """In a process of its own, because the tests replace the model by a smaller one.

    The times of seed 416 are short, so that the preparation and the save go on when they are hit.
    """
    words = [*options, "--moments", *moments]
    command = [sys.executable, "-m", "tests.kills", *words]
    printed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert printed.returncode == 0, printed.stdout + printed.stderr
    for name, line in moments.items():
        found = re.findall(rf"kill \d+: \w+, {name} .*", printed.stdout)
        assert any(re.search(line, each) for each in found), printed.stdout
    assert "results are bitwise those of the run without a kill" in printed.stdout
