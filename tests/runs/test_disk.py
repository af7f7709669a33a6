"""A disk that is full, read-only or gone is an error, and costs no checkpoint."""

import contextlib
import errno
import os
import re
import shutil
import subprocess
from functools import partial

import pytest

from jaxens.runs.checkpoints import Checkpoints
from jaxens.runs.disk import disk_errors
from tests.runs.test_checkpoints import LIKE, saved, state


def test_a_full_disk_raises_before_anything_is_written(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(OSError, match="No space left") as caught:
        checkpoints.save(1, state(1), 0.5)
    assert caught.value.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def disk(tmp_path):
    """A folder on a small disk of its own. Only an administrator can mount one."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(tmp_path)]
    try:
        subprocess.run(mount, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk can be mounted")
    yield tmp_path
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


def fails_after_one(folder, spoil):
    """Saves a checkpoint, spoils the disk, and returns the error of the next one."""
    checkpoints = Checkpoints(folder / "c")
    checkpoints.save(1, state(1), 0.5)
    checkpoints.wait()
    spoil()
    with pytest.raises(OSError, match=re.escape(str(folder / "c"))) as caught:  # noqa: PT012
        checkpoints.save(2, state(2), 0.6)
        checkpoints.wait()
    with contextlib.suppress(OSError):
        checkpoints.close()
    return caught.value.errno


def test_a_disk_that_fills_up_while_it_is_written_keeps_the_checkpoint_before(disk, monkeypatch):
    usage = shutil.disk_usage(disk)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)  # another process takes the rest

    def fill():
        with contextlib.suppress(OSError), (disk / "full").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        os.truncate(disk / "full", (disk / "full").stat().st_size - 8192)

    assert fails_after_one(disk, fill) == errno.ENOSPC
    (disk / "full").unlink()
    assert Checkpoints(disk / "c").latest(LIKE)[0] == 1


def test_a_disk_that_becomes_read_only_keeps_the_checkpoint_before(disk):
    def remount(how):
        subprocess.run(["mount", "-o", f"remount,{how}", str(disk)], check=True)

    assert fails_after_one(disk, lambda: remount("ro")) == errno.EROFS
    remount("rw")
    assert Checkpoints(disk / "c").latest(LIKE)[0] == 1


def test_a_share_that_is_gone_keeps_the_checkpoint_before(disk, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    subprocess.run(["mount", "--bind", str(disk), str(elsewhere)], check=True)
    unmount = partial(subprocess.run, ["umount", "-l", str(disk)], check=True)
    try:
        assert fails_after_one(disk, unmount) == errno.ENOENT
        assert Checkpoints(elsewhere / "c").latest(LIKE)[0] == 1
    finally:  # the fixture unmounts the disk
        subprocess.run(["mount", "--bind", str(elsewhere), str(disk)], check=True)
        subprocess.run(["umount", "-l", str(elsewhere)], check=True)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT])
def test_what_shares_answer_when_they_are_gone_is_an_error_of_the_disk(tmp_path, number):
    with pytest.raises(OSError, match=re.escape(os.strerror(number))), disk_errors(tmp_path):
        raise ValueError(f"FAILED_PRECONDITION: Error writing x: {os.strerror(number)}")


def test_a_folder_that_can_no_longer_be_written_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    """An administrator may write anywhere, so the error is one of ours."""

    def refuse(dir):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), f"{dir}/tmp1234")

    def spoil():
        monkeypatch.setattr("tempfile.TemporaryFile", refuse)

    assert fails_after_one(tmp_path, spoil) == errno.EACCES
    assert Checkpoints(tmp_path / "c").latest(LIKE)[0] == 1


def test_a_score_that_can_not_be_read_at_the_moment_costs_no_checkpoint(tmp_path, monkeypatch):
    saved(tmp_path, [0.9, 0.3, 0.2]).close()
    checkpoints = Checkpoints(tmp_path)  # it does not know the scores yet
    gone = OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(tmp_path))
    with monkeypatch.context() as share:
        share.setattr(checkpoints, "_read_contents", lambda _: raise_(gone))
        with pytest.raises(OSError, match=re.escape(os.strerror(errno.ESTALE))):
            checkpoints.best(LIKE)
        checkpoints._read_back = True  # the state, which needs the share
        checkpoints.save(4, state(4), 0.1)
        checkpoints.wait()
    assert checkpoints.epochs() == [4, 3, 2, 1]
    assert checkpoints.best(LIKE)[0] == 1
    checkpoints.close()


def raise_(error):
    raise error
