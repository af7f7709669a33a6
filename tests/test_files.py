"""Files are written whole, leftovers of killed processes go, and a lock ends with its process."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from jaxens.data.settings import default_cache
from jaxens.errors import UserError
from jaxens.files import lock, partial_path, with_home, write_text
from jaxens.names import file_name

HOLD = "import sys, pathlib, jaxens.files as f; held = f.lock(pathlib.Path(sys.argv[1])); print(1, flush=True); input()"  # noqa: E501


def finished_process():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_what_a_killed_process_left_is_removed_and_what_a_running_one_writes_is_not(tmp_path):
    dead, alive, here = finished_process(), os.getppid(), file_name(platform.node())
    kept = {f".x.png.{here}.{alive}", f".other.png.{here}.{dead}", f".x.png.{here}.part"}
    for name in (f".x.png.{here}.{dead}", *kept):
        (tmp_path / name).write_text("half")
    (tmp_path / f".run.{here}.{dead}").mkdir()
    write_text(tmp_path / "x.png", "whole")
    assert partial_path(tmp_path / "run") == tmp_path / f".run.{here}.{os.getpid()}"
    assert {path.name for path in tmp_path.iterdir()} == {"x.png", *kept}


def test_what_another_machine_writes_is_never_removed_and_never_shared(tmp_path, monkeypatch):
    """On a shared disk, it has processes of any number, also of ours."""
    dead = finished_process()
    for host in ("other", "../..", "h" * 300):
        monkeypatch.setattr("platform.node", lambda host=host: host)
        theirs = [partial_path(tmp_path / "x.png")]
        theirs.append(theirs[0].with_name(theirs[0].name.replace(str(os.getpid()), str(dead))))
        monkeypatch.undo()
        assert theirs[0].parent == tmp_path
        for path in theirs:
            path.touch()
        write_text(tmp_path / "x.png", "whole")
        assert partial_path(tmp_path / "x.png") not in theirs
        assert all(path.exists() for path in theirs)


def test_one_process_has_a_folder_and_a_killed_one_lets_go(tmp_path):
    folder = tmp_path / "new"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline() == b"1\n"
        with pytest.raises(UserError, match=f"another process writes into {folder}: wait"):
            lock(folder)
        holder.kill()
    with lock(folder), pytest.raises(UserError, match="another process"):
        lock(folder)
    lock(folder).close()


def test_a_pipe_in_place_of_a_lock_is_named_and_no_link_is_followed(tmp_path):
    os.mkfifo(tmp_path / ".lock")
    with pytest.raises(UserError, match=r"\.lock is not a regular file: remove it, or name"):
        lock(tmp_path)
    (tmp_path / ".lock").unlink()
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="not a regular file"):
        lock(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


def test_a_user_without_a_home_folder_learns_what_to_set(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda _: (_ for _ in ()).throw(KeyError("54321")))
    with pytest.raises(UserError, match=r"no home folder: set HOME, or add `cache_dir`"):
        default_cache()
    with pytest.raises(UserError, match=r"~/birds: there is no home folder: set HOME, or name"):
        with_home("~/birds")
    assert with_home("/birds") == Path("/birds")
