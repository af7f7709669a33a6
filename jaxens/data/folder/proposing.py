"""Proposes a `dataset.toml` for a folder, by inspection."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jaxens import files
from jaxens.data.folder.choosing_tables import choose_tables, not_used, photos_of_rows
from jaxens.data.folder.coco import read_coco
from jaxens.data.folder.columns import inspect_table
from jaxens.data.folder.layout import NAME
from jaxens.data.folder.listing import STRAYS, Finder, Listing, list_files, stem
from jaxens.data.folder.lists import propose_lists
from jaxens.data.folder.mask_files import find_images, mask_parts
from jaxens.data.folder.mask_values import MOST_PARTS
from jaxens.data.folder.split_names import NAMES, split_of_path
from jaxens.data.folder.voc import parse
from jaxens.data.folder.writing import key_of, to_toml
from jaxens.data.reading import PhotoError, printable, read_photo
from jaxens.errors import UserError
from jaxens.names import shorten

_MOST_REMARKS = 5
_LABELED = 0.75  # of the photos are in folders, if these are the classes


def propose(folder: Path) -> str:
    """Returns the text of a `dataset.toml` for a folder.

    It is a guess: names, values and what is truth for what are for the user to correct.

    Args:
        folder: The folder.

    Raises:
        UserError: If it is not a folder, or holds no photo.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: give the folder of the data set")
    listing = list_files(folder)
    found = find_images(listing)
    photos, images = found.photos, found.folder
    if not photos:
        some = ", ".join(shorten(printable(link)) for link in listing.links[:3])
        links = f" (links to folders are not followed: {some})" if listing.links else ""
        raise UserError(f"{folder} holds no photo{links}: give the folder of the data set")
    draft = _Draft(mask_parts(listing, found))
    draft.add_parts(_voc(listing, photos), "VOC")
    finder = Finder(photos, images)
    _add_tables(draft, listing, finder)
    _add_coco(draft, listing, finder)
    if not draft.split and _split_folders(photos, images):
        draft.split = {"folders": True}
    if not draft.split and _are_split(draft):
        draft.split = {"files": True}
    if not draft.split and (lists := propose_lists(listing, finder)):
        draft.split = {"lists": lists}
    if not draft.tasks:
        is_split = bool(draft.split.get("folders"))
        draft.tasks, remark = _labels_of_names(photos, images, is_split)
        draft.remarks += [remark] if remark else []
    if not draft.tasks and "coco" in draft.top:
        draft.tasks = {"category": {"categories": True}}
    return draft.text({"images": images} if images else {})


@dataclass
class _Draft:
    """A `dataset.toml` that is being written.

    Attributes:
        parts: Fields by part.
        top: Fields outside of sections, but for `images`.
        split: Its fields.
        tasks: Fields by task.
        points: Columns or names by key point.
        remarks: Comments below all fields.
    """

    parts: dict[str, dict[str, Any]]
    top: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Any] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    points: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    def add_parts(self, parts: Mapping[str, dict[str, Any]], kind: str) -> None:
        """Adds parts; one whose name is taken is named after its kind, too."""
        for name, fields in parts.items():
            self.parts[name if name not in self.parts else f"{name} {kind}"] = fields

    def text(self, first: Mapping[str, Any]) -> str:
        """Returns the text; every task has all parts, or all key points if there are no parts."""
        truths = [*self.parts] or [*self.points]
        for task in self.tasks.values():
            flags = set(task.get("columns", ()))
            if truths and not flags & set(truths):
                task["parts"] = truths[:MOST_PARTS]
                if len(truths) > 1:
                    task["separate"] = True
        sections = {"": {**first, **self.top}, "split": self.split}
        sections |= {f"tasks.{key_of(name)}": task for name, task in self.tasks.items()}
        sections |= {"points": self.points}
        sections |= {f"parts.{key_of(name)}": part for name, part in self.parts.items()}
        remarks = [shorten(remark, 500) for remark in self.remarks[:_MOST_REMARKS]]
        if not self.tasks:
            remarks += [f"{NAME} needs a task: where are the labels?", "[tasks.species]"]
        return to_toml(sections) + "".join(f"# {remark}\n" for remark in remarks)


def write_proposal(folder: Path, out: Path | None, say: Callable[[str], None]) -> Path | None:
    """Proposes a `dataset.toml`: writes it into a folder that has none, or to a file.

    Args:
        folder: The folder.
        out: The file (default: `dataset.toml` in the folder, unless it exists).
        say: Called with what was written, and its text.

    Returns:
        The file that describes the folder; None for its own `dataset.toml`.

    Raises:
        UserError: As `propose` does, or if the file can't be written.
    """
    existing = folder / NAME
    if existing.exists() and out is None:
        return None
    text = propose(folder)
    path = out or existing
    try:
        files.write_text(path, text)
    except OSError as error:
        raise UserError(
            f"{path} can't be written ({error.strerror}): add `out` FILE for the proposal"
        ) from None
    say(f"{path}, proposed: correct names and values\n\n{text}")
    return None if existing.exists() else path


def _voc(listing: Listing, photos: Sequence[str]) -> dict[str, dict[str, Any]]:
    stems = {stem(photo) for photo in photos}
    documents = [f for f in listing.files if f.lower().endswith(".xml") and stem(f) in stems]
    for file in documents[:3]:
        try:
            if parse(read_photo(listing.root / file, listing.root)).tag == "annotation":
                folder = file.rpartition("/")[0]
                return {"box": {"voc": f"{folder}/{{stem}}.xml" if folder else "{stem}.xml"}}
        except PhotoError:
            continue
    return {}


def _add_coco(draft: _Draft, listing: Listing, finder: Finder) -> None:
    """Adds the COCO files whose images are here; a remark says what can't be read."""
    cocos = {}
    for file in listing.files:
        if file.lower().endswith(".json"):
            try:
                coco = read_coco(listing.root / file, listing.root)
            except UserError as error:
                draft.remarks.append(not_used(error, listing))
                continue
            if any(finder.find(image.file, file) for image in coco.images):
                cocos[file] = coco
    if cocos:
        draft.top["coco"] = list(cocos)
        names = {n: None for coco in cocos.values() for n in coco.categories.values()}
        draft.add_parts({name: {"coco": name} for name in list(names)[:MOST_PARTS]}, "COCO")
        keypoints = (n for coco in cocos.values() for k in coco.keypoints.values() for n in k)
        draft.points |= {name: name for name in keypoints if isinstance(name, str)}


def _add_tables(draft: _Draft, listing: Listing, finder: Finder) -> None:
    """Adds the tables that name the photos; remarks say which can't be read or are not used."""
    chosen = choose_tables(listing, finder)
    draft.remarks += chosen.remarks
    if chosen.table is None:
        return
    table, file, files = chosen.table, chosen.table.names[0], chosen.files
    columns = inspect_table(table, file, photos_of_rows(table, finder))
    draft.top |= {"table": files if len(files) > 1 else files[0], "file": file}
    draft.top |= {"units": "fractions"} if columns.fractions else {}
    draft.add_parts({name: {"box": sides} for name, sides in columns.boxes.items()}, "box")
    draft.points |= columns.points
    draft.tasks |= {name: {"column": name} for name in columns.classes}
    if columns.flags:
        draft.tasks["attributes"] = {"columns": columns.flags}
    if columns.split:
        draft.split = {"column": columns.split}
        if len(files) > 1:
            draft.remarks.append("[split]: files = true takes the names of the tables instead")


def _are_split(draft: _Draft) -> bool:
    """Returns whether each table names its split, as train.csv does; without tables, COCO files."""
    files = draft.top.get("table") or draft.top.get("coco")
    splits = [split_of_path(file) for file in files] if isinstance(files, list) else []
    return all(splits) and len({*splits}) > 1


def _split_folders(photos: Sequence[str], images: str) -> bool:
    names = [name.lower() for name in _folders(photos, images, 1) if name]
    enough = len(names) >= (1 - STRAYS) * len(photos)
    return enough and len({NAMES.get(name) for name in names}) > 1 and {*names} <= {*NAMES}


def _folders(photos: Sequence[str], images: str, level: int) -> list[str]:
    """Returns for each photo the name of one of the folders that it is in.

    Args:
        photos: Paths of photos.
        images: The folder of all photos.
        level: 1 is the folder directly below `images`, 2 the folder in that one, and so on.

    Returns:
        One name for each photo; "" if the photo is not that deep.
    """
    below = [photo[len(images) :].strip("/").split("/")[:-1] for photo in photos]
    return [folders[level - 1] if level <= len(folders) else "" for folders in below]


def _labels_of_names(
    photos: Sequence[str], images: str, is_split: bool
) -> tuple[dict[str, dict[str, Any]], str]:
    """Proposes a task whose classes are names of folders, or the first words of file names.

    Returns:
        The task by its name, and a remark if the folders of the classes have folders in them.
    """
    first = 2 if is_split else 1
    folders, deeper = (_folders(photos, images, level) for level in (first, first + 1))
    classes = {*folders} - {""}
    enough = len(photos) - folders.count("") >= _LABELED * len(photos)
    are_splits = {*map(str.lower, classes)} <= {*NAMES}
    if enough and not are_splits and 1 < len(classes) <= len(photos) / 2:
        some = ", ".join(printable(name) for name in sorted({*deeper} - {""})[:3])
        remark = f"[tasks.label]: folders = 2 takes the folders in these, such as {some}"
        return {"label": {"folders": True}}, remark if some else ""
    for separator in ("_", "-", " ", ""):
        pattern = re.compile(rf"(.+{'?' if not separator else ''}){re.escape(separator)}\d+")
        matches = [pattern.fullmatch(stem(photo)) for photo in photos]
        count = Counter(match.group(1) for match in matches if match)
        if all(matches) and 1 < len(count) <= len(photos) / 2:
            return {"label": {"pattern": pattern.pattern}}, ""
    return {}, ""
