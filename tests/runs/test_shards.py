"""Several processes write their shards of a checkpoint, and any process reads it."""

import json
import re
import signal
import time
from pathlib import Path

import pytest

from tests.runs.saves import check_saved
from tests.training.test_processes import ended, start

pytestmark = pytest.mark.long

IN_TIME = 60  # seconds; JAX finds a lost process after 100
FULL = "Error writing x: No space left on device"


def begin(folders, layout=(2, 2), devices=2, **case):
    """Starts processes, one for each folder, that save two epochs and a part of the third one."""
    case = {"folders": [str(folder) for folder in folders], "layout": layout, **case}
    return start(["tests.runs.saves", json.dumps(case)], devices, len(folders))


def stored(folder):
    """The folders in which processes have written arrays."""
    return {path.name for path in folder.rglob("ocdbt.process_*")}


@pytest.mark.parametrize(("devices", "layout"), [(1, (2, 1)), (2, (2, 2)), (2, (1, 4))], ids=str)
def test_each_process_writes_its_shards_and_nothing_is_gathered(tmp_path, devices, layout):
    """Three members on four devices are filled up by a copy, which nobody reads."""
    folder = tmp_path / "run"
    codes, printed = ended(begin([folder] * 2, layout, devices, fault=(1, "")))
    assert codes == [0, 0], printed
    for each in printed:
        assert each.count(" 0 bytes gathered") == 3
    assert "is kept up to step 12" in printed[0]
    assert stored(folder / "checkpoints" / "2") == {"ocdbt.process_0", "ocdbt.process_1"}
    assert not list(folder.glob(".processes"))
    check_saved(folder)


def test_without_a_common_folder_process_0_gets_all_and_writes_the_same(tmp_path):
    """Each process has its own folder, as on hosts that have no common disk."""
    (tmp_path / "elsewhere").mkdir()
    codes, printed = ended(begin([tmp_path / "run", tmp_path / "elsewhere"]))
    assert codes == [0, 0], printed
    for each in printed:
        assert "bytes gathered" in each
        assert " 0 bytes gathered" not in each
    assert stored(tmp_path / "run") == {"ocdbt.process_0"}
    assert list((tmp_path / "elsewhere").iterdir()) == []
    check_saved(tmp_path / "run")


def test_no_process_leaves_before_all_have_written_a_part(tmp_path):
    """A process that leaves the job ends the others, even while they still write."""
    codes, printed = ended(begin([tmp_path / "run"] * 3, (3, 1), 1, fault=(3, ""), at=1))
    assert codes == [0, 0, 0], printed
    for each in printed:
        assert float(re.search(r"part: (\S+) s", each).group(1)) > 3
    check_saved(tmp_path / "run")


@pytest.mark.parametrize("who", [0, 1])
def test_if_one_process_can_not_write_all_end(tmp_path, who):
    processes = begin([tmp_path / "run"] * 2, fault=(0.5, FULL), at=who)
    began = time.monotonic()
    codes, printed = ended(processes)
    assert time.monotonic() - began < IN_TIME
    # If process 0 fails after process 1 has written, process 1 waits for a computation with
    # process 0. Then an error of JAX can end it before the message of process 0 is read.
    assert codes[0] == 1, printed
    assert codes[1] in ((1,) if who == 1 else (1, 2, -signal.SIGABRT)), printed
    for each in printed[: 1 + who]:
        last = each.strip().splitlines()[-1]
        assert last.startswith("OSError: [Errno 28] No space left on device: "), each
        assert "ERROR" not in each  # of Orbax
    assert not (tmp_path / "run").exists()  # it has no checkpoint, and would block the next try


@pytest.mark.parametrize("who", [0, 1])
def test_if_a_process_is_killed_while_it_writes_the_other_one_ends(tmp_path, who):
    folder = tmp_path / "run"
    processes = begin([folder] * 2, fault=(300, ""), lost=5)
    writing = folder / "checkpoints"
    while not any(path.is_dir() for path in writing.glob("1.*/**/ocdbt.process_1")):
        assert all(process.poll() is None for process in processes), ended(processes)
        time.sleep(0.05)
    processes[who].send_signal(signal.SIGKILL)
    began = time.monotonic()
    codes, printed = ended(processes)
    assert time.monotonic() - began < IN_TIME
    assert codes[who] == -signal.SIGKILL
    assert codes[1 - who] in (2, -signal.SIGABRT), printed  # by JAX, if it has lost process 0
    if who == 1:
        assert "another process of this job has ended or can't be reached" in printed[0]
    assert not Path(writing, "1").exists()


@pytest.mark.parametrize("who", [0, 1])
def test_if_the_disk_of_a_process_hangs_all_end(tmp_path, who):
    folder = tmp_path / "run"
    codes, printed = ended(begin([folder] * 2, at=who, hangs=True, lost=5))
    assert codes[who] == 2, printed
    assert f"{folder}: the disk does not respond\n" in printed[who]
    error = rf"\njaxens: error: {folder}: the disk has not responded for \d s: "
    assert re.search(error, printed[who])
    assert codes[1 - who] in (2, -signal.SIGABRT), printed  # by JAX, if it has lost process 0
    assert not Path(folder, "checkpoints", "1").exists()
