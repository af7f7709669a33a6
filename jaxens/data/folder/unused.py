"""Names the files of a folder that look like data, and that its description does not use."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxens.data.folder.coco import read_coco
from jaxens.data.folder.layout import NAME, Layout
from jaxens.data.folder.listing import FilePattern, Finder, Listing, list_files
from jaxens.data.folder.lists import ENDINGS, names_photos
from jaxens.data.folder.parsing import read_layout
from jaxens.data.folder.table_files import read_table
from jaxens.data.reading import printable
from jaxens.errors import UserError
from jaxens.files import with_home
from jaxens.names import shorten

# Photos that Pillow does not read by itself; a newer Pillow may read some.
_PHOTOS = ("heic", "heif", "avif", "jxl", "raw", "dng", "cr2", "cr3", "nef", "arw", "orf", "rw2",
           "raf", "pef", "svg", "psd", "eps", "wmf")  # fmt: skip
_TABLES, _SHEETS = ("csv", "tsv", "parquet"), ("xlsx", "xls", "ods")
_MOST = 20  # sentences


def name_unused(root: Path, layout: str = "") -> str:
    """Returns a text that names the unused files of a folder; empty if there are none.

    Args:
        root: The folder.
        layout: The file that describes it (default: its `dataset.toml`).

    Raises:
        UserError: If the folder can't be read.
    """
    try:
        described = read_layout(root, with_home(layout) if layout else None)
    except UserError:
        described = None
    texts = unused_files(list_files(root), described)
    return "\n".join(["\nnot used:", *texts]) + "\n" if texts else ""


def unused_files(listing: Listing, layout: Layout | None) -> list[str]:
    """Returns a sentence for each folder and kind of files that look like data and are not used.

    Args:
        listing: The files.
        layout: The description of the folder; None if there is none that can be read.
    """
    used = {*layout.tables, *layout.coco, *layout.split.lists} if layout else set()
    truths = layout.parts if layout else ()
    patterns = [FilePattern(path) for part in truths for path in part.paths]
    images, groups = set(listing.images()), dict[tuple[str, str], list[str]]()
    finder = Finder(images, layout.images if layout else "")
    for file in listing.files:
        folder, _, name = file.rpartition("/")
        ending = name.rpartition(".")[2].lower() if "." in name else ""
        if file in images:
            if layout is None or layout.below_images(file) != file or not layout.images:
                continue
            ending = "image"
        elif file.lower().endswith(ENDINGS):
            if not names_photos(listing, finder, file):
                continue
        elif ending not in (*_PHOTOS, *_TABLES, *_SHEETS, "json", "xml"):
            continue
        if file not in used and not any(pattern.fits(file) for pattern in patterns):
            groups.setdefault((folder, ending), []).append(file)
    reasons = _Reasons(listing, layout.path.name if layout else NAME)
    texts = [reasons.sentence(ending, files) for (_, ending), files in groups.items()]
    more = [f"... and {len(texts) - _MOST} more"] if len(texts) > _MOST else []
    return texts[:_MOST] + more


@dataclass(frozen=True)
class _Reasons:
    listing: Listing
    layout: str  # the name of the file

    def sentence(self, ending: str, files: Sequence[str]) -> str:
        first = shorten(printable(files[0]))
        subject = first if len(files) == 1 else f"{len(files)} files such as {first}"
        return f"{subject}: {self._reason(ending, files[0])}"

    def _reason(self, ending: str, file: str) -> str:
        """Returns why a file is not used, and what to do."""
        if ending in _PHOTOS:
            return "photos of a format that is not read: save them as JPEG or PNG"
        if ending in _SHEETS:
            return "a spreadsheet that is not read: save it as CSV"
        if file.lower().endswith(ENDINGS):
            return f"a list of photos; lists of a split are named in {self.layout}, [split], lists"
        if ending == "image":
            return "not in the folder of the photos, and not named as a mask of one"
        path, root, columns = self.listing.root / file, self.listing.root, ""
        try:
            if ending in _TABLES:
                names = read_table(path, root).names
                columns = f" (its columns: {', '.join(map(shorten, names[:5]))})"
            if ending == "json":
                read_coco(path, root)
        except UserError as error:
            return shorten(str(error).removeprefix(f"{path}").lstrip(", "), 300)
        return f"nothing names it in {self.layout}{columns}"
