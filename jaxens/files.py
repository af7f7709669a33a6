"""Files that are written whole or not at all, and folders that one process has for itself."""

import contextlib
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from jaxens.errors import UserError
from jaxens.names import encodable, file_name
from jaxens.untrusted import check_tree

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"  # the file of a folder that one process has for itself


def write_text(path: Path, text: str) -> None:
    """Writes a text file in UTF-8, whole or not at all; what is no UTF-8 becomes an escape."""
    write_bytes(path, encodable(text).encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all."""
    with _replacing(path) as partial:
        partial.write_bytes(content)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Yields the path of a new file, which takes the place of `path` at the end of the block.

    Its content is on disk before its name is, so the file is whole even after a power cut.
    """
    partial = partial_path(path)
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
        with contextlib.suppress(OSError):  # some file systems can't sync a folder
            _sync(path.parent)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def partial_path(path: Path) -> Path:
    """Returns a hidden path next to a file or folder, to write to before it is renamed.

    It has the names of the machine and of the process in it, because several machines may write
    into a shared folder. Those that killed processes of this machine have left are removed.
    """
    # The name itself may have the greatest length.
    prefix = f".{file_name(path.name)}.{file_name(platform.node())}."
    for name in os.listdir(path.parent):
        process = name.removeprefix(prefix)
        if name.startswith(prefix) and process.isdecimal() and not _is_running(int(process)):
            leftover = path.parent / name
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
    return path.with_name(f"{prefix}{os.getpid()}")


def with_home(path: str, remedy: str = "name a full path") -> Path:
    """Returns a path whose "~" is the user's home folder.

    Raises:
        UserError: If the system does not know that folder. It ends with the remedy.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:  # in a container, a user's number often has no name
        raise UserError(f"{path}: there is no home folder: set HOME, or {remedy}") from None


def output_folder(out: Path | None, run: Path, name: str) -> Path:
    """Returns the folder that the user named for results, or else one in a run directory.

    Args:
        out: What the user named; it may be anywhere.
        run: The run directory.
        name: The name of the folder in it.

    Raises:
        UserError: If something in the run directory leads out of it.
    """
    if out is not None:
        return out
    check_tree(run / name, run)
    return run / name


def check_is_folder(folder: Path) -> None:
    """Checks that a path is a folder, or can become one.

    Raises:
        UserError: If it, or a folder above it, is a file.
    """
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            what = "it" if path == folder else path
            raise UserError(f"`out` {folder}: {what} is a file: choose another folder")


def lock(folder: Path) -> IO[bytes]:
    """Returns an open file that keeps other processes out of a folder until it is closed.

    The folder is created if it does not exist. The lock ends with its process, however that ends.
    Without locks in the file system (some clusters) or the operating system (Windows), it does
    nothing.

    Raises:
        UserError: If another process has the lock, or something else is in its place.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = open_lock(folder)
    if fcntl is not None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise in_use(folder) from None
        except OSError:
            pass
    return file


def open_lock(folder: Path) -> IO[bytes]:
    """Opens the file of a folder's lock.

    Raises:
        OSError: If it can't be written.
        UserError: If it is a link, or a pipe, which would wait for a reader.
    """
    path = folder / LOCK
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise UserError(f"{path} is not a regular file: remove it, or name another folder")
    return path.open("ab")


def in_use(folder: Path) -> UserError:
    """Returns the error for a folder into which another process writes."""
    return UserError(
        f"another process writes into {folder}: wait until it ends, or name another `out`"
    )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_running(process: int) -> bool:
    """Returns whether another process has this number. Windows can't tell, so it says yes."""
    if process == os.getpid():
        return False
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
