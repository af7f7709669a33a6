"""Work ahead of time: in order, and by processes that neither hang nor outlive this one."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxens.data.prefetch import Workers, as_they_come, in_order
from jaxens.errors import UserError


def work(item: int | str) -> int | str:
    """What the workers do; some items are accidents."""
    if item in ("SIGINT", "SIGTERM", "SIGHUP"):
        os.kill(os.getpid(), signal.Signals[item])
    if item == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if item == "fail":
        raise UserError("this item is wrong")
    return item


def test_results_come_in_order_and_only_some_are_worked_on_ahead() -> None:
    started: list[int] = []

    def note(item: int) -> int:
        started.append(item)
        return item

    results = in_order(note, range(100), threads=2, waiting=5)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    results.close()  # type: ignore[attr-defined]
    assert max(started) <= 2 + 5
    assert list(in_order(note, range(7), threads=2, waiting=5)) == list(range(7))


def test_items_are_made_in_the_calling_thread_while_those_before_are_worked_on() -> None:
    here, began = threading.get_ident(), threading.Event()
    yielded: list[int] = []

    def items() -> Iterator[int]:
        for item in range(7):
            assert threading.get_ident() == here
            assert item - len(yielded) <= 2
            if item == 1:
                assert began.wait(60)
            yield item

    def note(item: int) -> int:
        assert threading.get_ident() != here
        began.set()
        return item

    for result in as_they_come(note, items(), threads=2, waiting=2):
        yielded.append(result)
    assert yielded == list(range(7))


def test_what_waits_is_not_begun_after_an_error() -> None:
    started: list[int] = []
    blocked, go_on = threading.Event(), threading.Event()

    def fail(item: int) -> None:
        started.append(item)
        if item == 0:
            assert blocked.wait(60)  # until the other thread is busy
            raise UserError("this item is wrong")
        blocked.set()
        go_on.wait(60)

    with pytest.raises(UserError, match="this item is wrong"):
        list(as_they_come(fail, range(100), threads=2, waiting=4))
    go_on.set()
    time.sleep(0.2)  # in which the others would begin
    assert set(started) <= {0, 1, 2}  # the thread that has failed may have taken one more


@pytest.mark.slow
def test_workers_ignore_signals_that_stop_and_pass_errors_on() -> None:
    with Workers(work, 2, "works") as workers:
        items = [1, "SIGINT", 2, "SIGTERM", "SIGHUP", 3]
        assert list(in_order(workers, items, 2, 4)) == items
        with pytest.raises(UserError, match="this item is wrong"):
            workers("fail")
        assert workers(4) == 4


@pytest.mark.slow
def test_the_death_of_a_worker_is_one_line_and_no_hang() -> None:
    with (
        pytest.raises(UserError, match="a process that works died: free some memory") as caught,
        Workers(work, 1, "works") as workers,
    ):
        list(in_order(workers, [1, "die", 2, 3], 2, 4))
    assert "\n" not in str(caught.value)


def run_script(folder: Path, *lines: str) -> subprocess.CompletedProcess[str]:
    """Runs lines below the guard of a script, and waits for its processes: they keep its output."""
    script = folder / "parent.py"
    top = ["import os, signal", "from pathlib import Path"]
    top += ["from jaxens.data.prefetch import Workers", "if __name__ == '__main__':"]
    script.write_text("\n".join([*top, *(f"    {line}" for line in lines)]))
    return subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.slow
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    run = run_script(
        tmp_path,
        "with Workers(abs, 2, 'works') as workers:",
        "    print(workers(-1), flush=True)",
        "    os.kill(os.getpid(), signal.SIGKILL)",
    )
    assert (run.returncode, run.stdout, run.stderr) == (-signal.SIGKILL, "1\n", "")


@pytest.mark.slow
def test_workers_never_get_a_signal_that_stops_and_end_with_a_script_that_fails(
    tmp_path: Path,
) -> None:
    """Python unblocks signals when a process starts its first workers: see `_signals_blocked`."""
    run = run_script(
        tmp_path,
        "workers = Workers(Path.read_text, 1, 'reads')",
        "workers.__enter__()",
        "print(workers(Path('/proc/self/status')), flush=True)",
        "raise ValueError('fails')",
    )
    assert (run.returncode, run.stderr.splitlines()[-1]) == (1, "ValueError: fails")
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("SigBlk"))
    blocked = int(line.split()[1], 16)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        assert blocked >> (number - 1) & 1
