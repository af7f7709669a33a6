"""Proposes a `dataset.toml` for a folder, by inspection."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxens import files
from jaxens.data.decoding import decode_values
from jaxens.data.folder.coco import read_coco
from jaxens.data.folder.columns import inspect_table
from jaxens.data.folder.layout import NAME
from jaxens.data.folder.listing import Finder, Listing, list_files, stem
from jaxens.data.folder.splits import NAMES
from jaxens.data.folder.table import Table, read_table
from jaxens.data.folder.voc import parse
from jaxens.data.reading import PhotoError, read_photo
from jaxens.errors import UserError

_SAMPLE = 20  # masks of a pattern that are opened
_MOST_VALUES = 32  # of a mask; a photo has more
_MOST_PARTS = 20  # of one kind


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
    masks = _mask_files(listing)
    photos = [file for file in listing.images() if file not in masks]
    if not photos:
        raise UserError(f"{folder} holds no photo: give the folder of the data set")
    images = _common_folder(photos)
    top: dict[str, Any] = {"images": images} if images else {}
    parts = _mask_parts(listing, photos, images, sorted(masks)) | _voc(listing, photos)
    tasks: dict[str, dict[str, Any]] = {}
    points: dict[str, Any] = {}
    split: dict[str, Any] = {}
    finder = Finder(photos, images)
    if (listed := _table(listing, finder)) is not None:
        table, file = listed
        columns = inspect_table(table, file)
        top |= {"table": table.path.relative_to(folder).as_posix(), "file": file}
        top |= {"units": "fractions"} if columns.fractions else {}
        parts |= {name: {"box": sides} for name, sides in columns.boxes.items()}
        points |= columns.points
        tasks |= {name: {"column": name} for name in columns.classes}
        if columns.flags:
            tasks["attributes"] = {"columns": columns.flags}
        split |= {"column": columns.split} if columns.split else {}
    if coco_files := _coco(listing, finder):
        top["coco"] = list(coco_files)
        names = {n: None for coco in coco_files.values() for n in coco.categories.values()}
        parts |= {name: {"coco": name} for name in list(names)[:_MOST_PARTS]}
        keypoints = (n for coco in coco_files.values() for k in coco.keypoints.values() for n in k)
        points |= {name: name for name in keypoints if isinstance(name, str)}
    if not split and _split_folders(photos, images):
        split = {"folders": True}
    tasks = (
        tasks
        or _labels_of_names(photos)
        or ({"category": {"categories": True}} if coco_files else {})
    )
    truths = [*parts] or [*points]
    for task in tasks.values():
        flags = set(task.get("columns", ()))
        if truths and not flags & set(truths):
            task["parts"] = truths[:_MOST_PARTS]
            if len(truths) > 1:
                task["separate"] = True
    sections = {"split": split, **{f"tasks.{_key(name)}": task for name, task in tasks.items()}}
    sections |= {"points": points, **{f"parts.{_key(name)}": part for name, part in parts.items()}}
    lacking = "" if tasks else f"# {NAME} needs a task: where are the labels?\n# [tasks.species]\n"
    return _toml({"": top, **sections}) + lacking


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


def _mask_files(listing: Listing) -> set[str]:
    """Returns the images that look like masks: groups of one folder and ending with few values."""
    groups: dict[tuple[str, str], list[str]] = {}
    for file in listing.images():
        folder, _, name = file.rpartition("/")
        ending = name.rpartition(".")[2].lower()
        if ending not in ("jpg", "jpeg", "webp"):
            groups.setdefault((folder, ending), []).append(file)
    masks: set[str] = set()
    for group in groups.values():
        if all(_values(listing, file) is not None for file in group[:: -(-len(group) // 3)]):
            masks |= set(group)
    return masks


def _values(listing: Listing, file: str) -> set[int] | None:
    """Returns the values of a mask; None if it looks like a photo, or can't be read."""
    try:
        values = np.unique(decode_values(read_photo(listing.root / file, listing.root)))
    except PhotoError:
        return None
    return None if len(values) > _MOST_VALUES else set(values.tolist())


def _mask_parts(
    listing: Listing, photos: Sequence[str], images: str, masks: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Returns the parts that files of masks show, by the patterns of their names."""
    below: dict[str, set[str]] = {}
    for photo in photos:
        folder = photo.removeprefix(f"{images}/" if images else "").rpartition("/")[0]
        below.setdefault(stem(photo), set()).add(folder)
    named: dict[str, list[str]] = {}
    for mask in masks:
        if pattern := _pattern(mask, below):
            named.setdefault(pattern, []).append(mask)
    parts: dict[str, dict[str, Any]] = {}
    for pattern, of_pattern in named.items():
        if len(of_pattern) < 0.02 * max(map(len, named.values())):
            continue
        step = -(-len(of_pattern) // _SAMPLE)
        of_files = [_values(listing, file) for file in of_pattern[::step]]
        values = set().union(*(each for each in of_files if each is not None)) - {0}
        suffix = pattern.rpartition("}")[2].rpartition(".")[0].strip("_-. ")
        name = suffix or pattern.partition("/{")[0].rpartition("/")[2] or "mask"
        where = {"masks": pattern}
        if values == {1, 2, 3}:  # a trimap
            parts[name] = where | {"values": [1], "ignore": [3]}
        elif len(values) <= 1:
            parts[name] = where
        elif len(values) >= _MOST_PARTS:
            parts[name] = where | {"least": 128}
        else:
            ignore = {"ignore": [255]} if 255 in values else {}
            for value in sorted(values - {255}):
                parts[f"{name} {value}"] = where | {"values": [value]} | ignore
    return parts


def _pattern(mask: str, below: Mapping[str, set[str]]) -> str | None:
    """Returns the pattern by which a mask is named after a photo.

    Args:
        mask: The path of the mask.
        below: By the name of a photo, its folders, below the folder of photos.
    """
    folder, _, name = mask.rpartition("/")
    whole, _, ending = name.rpartition(".")
    ends = [len(whole), *(m.start() for m in reversed(list(re.finditer(r"[_\-. ]", whole))))]
    steps = folder.split("/")
    for end in ends:
        if folders := below.get(whole[:end]):
            rest = f"{whole[end:]}.{ending}"
            for same in range(len(steps)):  # the mask's folders as the photo's
                if "/".join(steps[same:]) in folders:
                    return "/".join([*steps[:same], "{path}"]) + rest
            return "/".join(filter(None, [folder, "{stem}"])) + rest
    return None


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


def _coco(listing: Listing, finder: Finder) -> dict[str, Any]:
    """Returns the COCO files whose images are here."""
    result = {}
    for file in listing.files:
        if file.lower().endswith(".json"):
            try:
                coco = read_coco(listing.root / file, listing.root)
            except UserError:
                continue
            if any(finder.find(image.file) for image in coco.images):
                result[file] = coco
    return result


def _table(listing: Listing, finder: Finder) -> tuple[Table, str] | None:
    """Returns the table that names most photos, and its column with their names."""
    best, most = None, 0
    for file in listing.files:
        if file.lower().endswith((".csv", ".tsv", ".parquet")):
            try:
                table = read_table(listing.root / file, listing.root)
            except UserError:
                continue
            for place, name in enumerate(table.names):
                count = sum(len(finder.find(row[place])) == 1 for row in table.rows)
                if count > max(most, len(table) // 2) and table.names.count(name) == 1:
                    best, most = (table, name), count
    return best


def _common_folder(photos: Sequence[str]) -> str:
    """Returns the folder that all photos are in; not a class, if there are no others."""
    first, last = (photo.split("/")[:-1] for photo in (min(photos), max(photos)))
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return "/".join(first[:same])


def _split_folders(photos: Sequence[str], images: str) -> bool:
    below = {photo[len(images) :].strip("/").split("/")[0].lower() for photo in photos}
    return len({NAMES.get(name) for name in below}) > 1 and below <= set(NAMES)


def _labels_of_names(photos: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Returns a task with the names of folders as classes, or with the beginnings of names."""
    folders = {photo.rpartition("/")[0].rpartition("/")[2] for photo in photos}
    if 1 < len(folders) <= len(photos) / 2 and not {f.lower() for f in folders} <= set(NAMES):
        return {"label": {"folders": True}}
    for separator in ("_", "-", " ", ""):
        pattern = re.compile(rf"(.+{'?' if not separator else ''}){re.escape(separator)}\d+")
        matches = [pattern.fullmatch(stem(photo)) for photo in photos]
        count = Counter(match.group(1) for match in matches if match)
        if all(matches) and 1 < len(count) <= len(photos) / 2:
            return {"label": {"pattern": pattern.pattern}}
    return {}


def _toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns TOML text; nested tables are written inline."""
    texts = []
    for title, fields in sections.items():
        if fields:
            lines = [f"[{title}]"] if title else []
            texts.append("\n".join(lines + [f"{_key(k)} = {_value(v)}" for k, v in fields.items()]))
    return "\n\n".join(texts) + "\n"


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(k)} = {_value(v)}' for k, v in value.items())}}}"
    if isinstance(value, str):
        if "\\" in value and "'" not in value and value.isprintable():
            return f"'{value}'"
        text = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Iterable):
        return f"[{', '.join(map(_value, value))}]"
    return str(value)
