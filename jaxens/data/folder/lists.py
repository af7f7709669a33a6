"""Text files such as train.txt, which name the photos of a split, one on each line."""

from collections.abc import Iterator
from pathlib import Path

from jaxens.data.findings import Kind, Problem
from jaxens.data.folder.listing import Finder, Listing, stem
from jaxens.data.folder.sources import Sources
from jaxens.data.folder.split_names import NAMES, TRAINVAL, split_of_list
from jaxens.data.reading import PhotoError, printable, read_photo
from jaxens.errors import UserError
from jaxens.names import as_text

ENDINGS = (".txt", ".lst")


def splits_of_lists(sources: Sources) -> list[str]:
    """Returns the split of each photo; empty for one in no list, or in lists of two splits.

    Such photos are problems, and so are lines that name none.

    Raises:
        UserError: If a list can't be read, or names no photo.
    """
    layout, problems = sources.layout, sources.problems
    finder = Finder(sources.photos, layout.images)
    known = Finder(sources.listing.images(), layout.images)  # with photos that labels leave out
    listed: dict[str, list[str]] = {}
    for file in layout.split.lists:
        found = False
        for number, line in _lines(sources.root / file, sources.root):
            if photo := _photo(finder, line, file):
                listed.setdefault(photo, []).append(file)
                found = True
            elif not _photo(known, line, file):
                what = f"is named in {file}, line {number}, and there is no such photo"
                problems.append(Problem(printable(line), "absent", printable(line), what))
        if not found:
            raise UserError(
                f"{sources.root / file}: no line names a photo, such as "
                f"{printable(sources.photos[0])}: correct it, or lists in {layout.path.name}"
            )
    splits = []
    for photo in sources.photos:
        files = listed.get(photo, [])
        by_split = {split_of_list(file): file for file in files}
        if len(by_split) != 1:
            both = " and in ".join(list(by_split.values())[:2])
            what = f"is in {both}: keep it in one split" if files else "is in no list"
            kind: Kind = "unusable" if files else "unnamed"
            problems.append(Problem(printable(photo), kind, printable(photo), what))
        splits.append(next(iter(by_split)) if len(by_split) == 1 else "")
    return splits


def propose_lists(listing: Listing, finder: Finder) -> list[str]:
    """Finds the files of a folder that list the photos of its splits. Returns none if unsure.

    Their names are words such as train, trainval or test, their lines name photos, and they are in
    one folder. Next to val, trainval is left out.
    """
    folders: dict[str, dict[str, str]] = {}
    for file in listing.files:
        if file.lower().endswith(ENDINGS) and stem(file).lower() in (*NAMES, TRAINVAL):
            folders.setdefault(file.rpartition("/")[0], {})[stem(file).lower()] = file
    for files in sorted(folders.values(), key=len, reverse=True):
        if "val" in map(split_of_list, files.values()):
            files.pop(TRAINVAL, None)
        named = [file for file in files.values() if names_photos(listing, finder, file)]
        if len({split_of_list(file) for file in named}) > 1:
            return named
    return []


def names_photos(listing: Listing, finder: Finder, file: str) -> bool:
    """Returns whether the first line of a file names a photo."""
    try:
        _, first = next(_lines(listing.root / file, listing.root), (0, ""))
    except UserError:
        return False
    return bool(first and _photo(finder, first, file))


def _photo(finder: Finder, line: str, file: str) -> str:
    """Returns the photo that a line names, or its first word, or all but its last word.

    Empty if that is no photo, or may be several.
    """
    names = (line, line.split(maxsplit=1)[0], line.rsplit(maxsplit=1)[0])
    matches = next(filter(None, (finder.find(name, file) for name in names)), set())
    return next(iter(matches)) if len(matches) == 1 else ""


def _lines(path: Path, root: Path) -> Iterator[tuple[int, str]]:
    """Yields the lines that are neither empty nor comments, and their numbers."""
    try:
        text = as_text(read_photo(path, root).decode("utf-8", "surrogateescape"))
    except PhotoError as error:
        raise UserError(f"{path} {error}") from None
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()
