"""The files of a folder, and the photo that a name in a table means."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import Image

from jaxens.data.decoding import open_photo
from jaxens.data.folder.split_names import split_of_path
from jaxens.data.reading import PhotoError, read_photo
from jaxens.data.settings import Data
from jaxens.errors import UserError
from jaxens.files import with_home
from jaxens.names import as_text
from jaxens.untrusted import is_inside, open_regular

RUN = {"config.toml", "info.json", "provenance.json"}  # files that a run directory has
PAGE = "page.png"  # the page of images that `describe` and `browse` draw
STRAYS = 0.1  # of the photos of a folder may lie next to the folders of the others


@dataclass(frozen=True)
class Listing:
    """The files below a folder, without hidden ones and those that jaxens itself has written.

    Attributes:
        root: The folder.
        files: Their paths below it, with "/", sorted.
        links: Links to folders, which are not followed.
    """

    root: Path
    files: Sequence[str]
    links: Sequence[str]

    @cached_property
    def known(self) -> frozenset[str]:
        """Returns the files as a set."""
        return frozenset(self.files)

    @cached_property
    def by_lower(self) -> dict[str, str]:
        """Returns the files by their path in lower case."""
        return {file.lower(): file for file in self.files}

    def __contains__(self, file: str) -> bool:
        return file in self.known

    def find(self, path: str) -> str | None:
        """Returns a file; also one whose ending is in upper case."""
        return path if path in self.known else self.by_lower.get(path.lower())

    def images(self) -> list[str]:
        """Returns the files whose ending is one that Pillow reads."""
        known = Image.registered_extensions()
        readable = tuple(end for end, kind in known.items() if kind in Image.OPEN)
        return [file for file in self.files if file.lower().endswith(readable)]

    def size(self, file: str) -> tuple[int, int] | None:
        """Returns the width and height of an image; None if it can't be read."""
        try:
            return open_photo(read_photo(self.root / file, self.root)).size
        except PhotoError:
            return None


class FilePattern:
    """Which files a pattern such as "masks/{stem}.png" may name, in any case."""

    def __init__(self, pattern: str) -> None:
        start, _, rest = pattern.partition("{")
        self.start = start.lower()
        self.end = rest.rpartition("}")[2].lower()
        self.whole = "{path}" in pattern

    def fits(self, file: str) -> bool:
        """Returns whether it may name a file."""
        if not file.lower().startswith(self.start) or not file.lower().endswith(self.end):
            return False
        return self.whole or "/" not in file[len(self.start) : len(file) - len(self.end)]


def list_files(root: Path) -> Listing:
    """Lists a folder with its subfolders; run directories and the page of `describe` are left out.

    Raises:
        UserError: If the folder, or one below, can't be read.
    """
    files: list[str] = []
    links: list[str] = []
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            with os.scandir(root / below) as scanned:
                entries = list(scanned)
            if below and RUN.issubset(entry.name for entry in entries):
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = below + entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{path}/")
                elif entry.is_symlink() and entry.is_dir():
                    links.append(path)
                elif entry.name != PAGE or not _is_ours(root / path):
                    files.append(path)
        except OSError as error:
            raise UserError(f"{root / below} can't be read: {error.strerror}") from None
    return Listing(root, sorted(files), sorted(links))


def _is_ours(path: Path) -> bool:
    """Returns whether a figure was saved by jaxens."""
    try:
        with open_regular(path) as file:
            return Image.open(file, formats=("PNG",)).info.get("Software") == "jaxens"
    except (OSError, ValueError, SyntaxError):
        return False


def check_is_no_photo(option: str, page: Path, settings: Data) -> None:
    """Checks that a page of images does not become a photo of a user's folder.

    Args:
        option: The option that names the page.
        page: The file.
        settings: Those of the data set.

    Raises:
        UserError: If it would.
    """
    if settings.source != "folder" or page.name == PAGE:
        return
    if is_inside(page, with_home(settings.data_dir)):
        raise UserError(
            f"`{option}` {page} would be a photo of the data set: name {PAGE}, or a file outside "
            f"of {settings.data_dir}"
        )


def stem(path: str) -> str:
    """Returns the name of a file without its folder and its ending."""
    return os.path.splitext(path.rpartition("/")[2])[0]


def common_folder(photos: Iterable[str]) -> str:
    """Returns the folder that the photos are in, but for a few strays above it."""
    folder, below = "", list(photos)
    while below:
        deeper = [path for path in below if "/" in path]
        names = {path.partition("/")[0] for path in deeper}
        if len(names) != 1 or len(deeper) < (1 - STRAYS) * len(below):
            break
        folder = "/".join(filter(None, [folder, *names]))
        below = [path.partition("/")[2] for path in deeper]
    return folder


class Finder:
    """Finds photos by the names that tables give them."""

    def __init__(self, photos: Iterable[str], images: str) -> None:
        """Indexes photos.

        Args:
            photos: Their paths below the root.
            images: The folder of photos, which names may leave out.
        """
        self._exact: dict[str, set[str]] = {}
        self._loose: dict[str, set[str]] = {}
        self._paths: dict[str, set[str]] = {}
        prefix = f"{images}/" if images else ""
        for photo in photos:
            below = photo.removeprefix(prefix)
            base = below.rpartition("/")[2]
            names = {photo, below, base}
            for name in {each for path in (photo, below) for each in (path, path_stem(path))}:
                self._paths.setdefault(_plain(name), set()).add(photo)
            for name in names | {path_stem(each) for each in names}:
                self._exact.setdefault(name, set()).add(photo)
                self._loose.setdefault(_plain(name), set()).add(photo)

    def find(self, name: str, file: str = "") -> set[str]:
        """Returns the photos that a name may mean: one, if it is right.

        Args:
            name: The name.
            file: The file that has it. In `train.csv` or `train/labels.csv`, "1.jpg" means the
                photo in `train`, if there is one in `test`, too.
        """
        path = name.strip().replace("\\", "/").removeprefix("./")
        photos = self._exact.get(path) or self._loose.get(_plain(path)) or self._of_end(path)
        if len(photos) > 1 and (split := split_of_path(file)):
            of_split = {p for p in photos if split_of_path(p.rpartition("/")[0]) == split}
            return of_split or photos
        return photos

    def _of_end(self, path: str) -> set[str]:
        """Returns the photo whose path is the end of a longer path, such as one of another machine.

        A relative path must keep a folder: `cats/1.jpg` does not mean another `1.jpg`.
        """
        steps = _plain(path).split("/")
        is_absolute = path.startswith("/") or path[1:3] == ":/"
        for start in range(1, len(steps) if is_absolute else len(steps) - 1):
            if photos := self._paths.get("/".join(steps[start:])):
                return photos
        return set()


def path_stem(path: str) -> str:
    """Returns a path without its ending."""
    return os.path.splitext(path)[0]


def _plain(name: str) -> str:
    """Returns a name in one form, whatever its case, its umlauts' form and its encoding were."""
    return unicodedata.normalize("NFC", as_text(name)).casefold()
