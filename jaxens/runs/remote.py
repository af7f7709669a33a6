"""Files below a URL, such as gs://bucket/run: listed, fetched, stored and removed by fsspec."""

import contextlib
import errno
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from jaxens.errors import UserError
from jaxens.names import shorten

# What tells versions of a file apart. Each protocol has some of these.
_MARKS = ("size", "ETag", "etag", "generation", "mtime", "LastModified", "last_modified", "created")
_REASON = 200  # characters


def is_kept(name: str) -> bool:
    """Returns whether a file or folder belongs to a run: half of a file or checkpoint does not."""
    return not name.startswith(".") and ".orbax-checkpoint-tmp" not in name


class RemoteFile(NamedTuple):
    """What a listing says of a file.

    Attributes:
        size: In bytes.
        version: Changes whenever the file is written.
    """

    size: int
    version: str


class Remote:
    """The files below a URL, by their names relative to it. Hidden ones are left out.

    Every error of the protocol, the network and permissions is a `UserError` of one line.

    Args:
        url: A URL of any protocol that fsspec has a package for.

    Raises:
        UserError: If the protocol is unknown, or its package is not installed.
    """

    def __init__(self, url: str):
        self.url = url.rstrip("/")
        try:
            from fsspec.core import url_to_fs

            with self._errors("opened"):
                self._files, root = url_to_fs(url)
        except ImportError as error:
            raise UserError(
                f"{url} needs a package ({shorten(str(error), _REASON)}): pip install "
                "'jaxens[gcs]', 'jaxens[s3]', or the package of that protocol"
            ) from None
        self._root = root.rstrip("/")

    def files(self) -> dict[str, RemoteFile]:
        """Returns all files by name.

        Raises:
            UserError: If they can't be listed, or a name leads out of the folder.
        """
        with self._errors("listed"):
            self._files.invalidate_cache()
            found = self._files.find(self._root, detail=True)
        files = {
            self._name(path): RemoteFile(int(info.get("size") or 0), _version(info))
            for path, info in found.items()
            if not path.endswith("/")  # the mark of a folder
        }
        folders = {str(folder) for name in files for folder in PurePosixPath(name).parents}
        if both := sorted(folders & set(files)):
            raise self._refused(both[0])
        return {name: file for name, file in files.items() if all(map(is_kept, name.split("/")))}

    def get(self, name: str, path: Path) -> None:
        """Writes a file to a local path, whose folder exists."""
        with self._errors("read"):
            self._files.get_file(self._path(name), str(path))

    def put(self, path: Path, name: str) -> None:
        """Writes a local file below the URL."""
        with self._errors("written"):
            self._files.put_file(str(path), self._target(name))

    def remove(self, name: str) -> None:
        """Removes a file; one that is gone is no error."""
        with self._errors("written"), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def check_writable(self) -> None:
        """Checks that files can be written and removed, before long work.

        Raises:
            UserError: If they can't.
        """
        with self._errors("written"):
            self._files.pipe_file(self._target(".writable"), b"")
        self.remove(".writable")

    def _target(self, name: str) -> str:
        """Returns the path of a file to write, in a folder that exists."""
        path = self._path(name)
        if not self._files.async_impl:  # one that is has no folders, and would create a bucket
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        return path

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _name(self, path: str) -> str:
        """Returns the name of a listed file. The listing is data: it may name any place."""
        name = path.removeprefix(f"{self._root}/")
        parts = name.split("/")
        if name == path or {"", ".", ".."} & set(parts) or re.search(r"[\\\0]|^\w:", name):
            raise self._refused(path)
        return name

    def _refused(self, path: str) -> UserError:
        return UserError(
            f"{self.url} lists {shorten(path)}, which can't be a file of a run: remove that file, "
            "or name another folder"
        )

    @contextlib.contextmanager
    def _errors(self, done: str) -> Iterator[None]:
        """Raises what the packages of protocols raise, of many kinds, as one line."""
        try:
            yield
        except (UserError, ImportError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            reason = shorten(str(error) or type(error).__name__, _REASON)
            raise UserError(
                f"{self.url} can't be {done} ({type(error).__name__}: {reason}): check the name, "
                "the network and your permissions, and try again"
            ) from None


def _version(info: dict[str, Any]) -> str:
    return " ".join(f"{mark}={info[mark]}" for mark in _MARKS if info.get(mark) is not None)
