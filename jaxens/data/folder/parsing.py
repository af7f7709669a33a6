"""Reads and checks a `dataset.toml`; see `jaxens.data.folder.layout`."""

import re
from pathlib import Path

from jaxens.data.folder.fields import Fields
from jaxens.data.folder.layout import (
    LABELS,
    NAME,
    TRUTHS,
    Layout,
    PartLayout,
    SplitLayout,
    TaskLayout,
)
from jaxens.data.folder.split_names import split_of_list, split_of_path
from jaxens.data.marks import Values
from jaxens.data.reading import printable
from jaxens.data.schema import is_ignored
from jaxens.errors import UserError, remedy

_SIDES = ({"left", "top", "right", "bottom"}, {"left", "top", "width", "height"})
_FIELDS = ("name", "images", "table", "file", "units", "coco", "annotations", "box", "split",
           "tasks", "points", "parts")  # fmt: skip


def read_layout(folder: Path, path: Path | None = None) -> Layout:
    """Reads and checks a `dataset.toml`.

    Args:
        folder: The folder of the data set.
        path: The file (default: `dataset.toml` in the folder).

    Raises:
        UserError: Names the file, the field, what is wrong, and the remedy.
    """
    path = path or folder / NAME
    if not folder.is_dir():
        raise UserError(f"{folder} is not a folder: give the folder of the data set")
    if not path.exists():
        raise UserError(
            f"{path} is missing: `python -m jaxens.data describe {folder}` proposes one, and "
            "`layout` names one that lies elsewhere"
        )
    top = Fields.of_file(path)
    top.check_keys(_FIELDS)
    units = top.text("units", "pixels")
    if units not in ("pixels", "fractions"):
        top.wrong("units", f"it should be 'pixels' or 'fractions', not {units!r}")
    annotations = top.text("annotations") or None
    if annotations not in ("stored", "upright", None):
        top.wrong("annotations", f"it should be 'stored' or 'upright', not {annotations!r}")
    parts = tuple(_part(top.table("parts").table(name), name) for name in top.table("parts").raw)
    points = {name: _point(top.table("points"), name) for name in top.table("points").raw}
    marked = {*points, *(part.name for part in parts)}
    tasks = top.table("tasks")
    layout = Layout(
        path=path,
        name=top.text("name", printable(folder.resolve().name) or "folder"),
        images=top.path_below("images", top.text("images")),
        tables=tuple(top.path_below("table", file) for file in top.texts("table")),
        file=top.text("file"),
        units=units,  # type: ignore[arg-type]
        coco=tuple(top.path_below("coco", file) for file in top.texts("coco")),
        annotations=annotations,  # type: ignore[arg-type]
        box=top.text("box"),
        split=_split(top.table("split")),
        tasks=tuple(_task(tasks.table(name), name, marked) for name in tasks.raw),
        points=points,
        parts=parts,
    )
    _check(top, layout)
    return layout


def _check(top: Fields, layout: Layout) -> None:
    """Checks fields against each other."""
    if not layout.tasks:
        top.wrong("tasks", "there is none: add a table such as [tasks.species]")
    names = [part.name for part in layout.parts]
    if layout.box and layout.box not in names:
        top.wrong(
            "box", f"{layout.box!r} is not a part: {remedy(layout.box, names) if names else ''}"
        )
    columns = [
        *(f"[tasks.{t.name}]" for t in layout.tasks if t.columns),
        *(f"[points] {name}" for name, where in layout.points.items() if len(where) > 1),
        *(f"[parts.{p.name}]" for p in layout.parts if p.columns),
        *(["[split]"] if layout.split.column else []),
    ]
    if columns and not layout.tables:
        top.wrong("table", f'it is missing, and {columns[0]} needs it: add table = "labels.csv"')
    if layout.split.files:
        _check_names_of_splits(top, layout)
    of_coco = [
        *(f"[tasks.{t.name}]" for t in layout.tasks if t.kind == "categories"),
        *(f"[points] {name}" for name, where in layout.points.items() if len(where) == 1),
        *(f"[parts.{p.name}]" for p in layout.parts if p.kind == "coco"),
    ]
    if of_coco and not layout.coco:
        top.wrong("coco", f'it is missing, and {of_coco[0]} needs it: add coco = "FILE.json"')


def _check_names_of_splits(top: Fields, layout: Layout) -> None:
    """Checks that the names of the files that split the photos name a split."""
    files = layout.tables or layout.coco
    if not files:
        top.table("split").wrong("files", "there are none: add table or coco, or omit files")
    for file in files:
        if not split_of_path(file):
            top.table("split").wrong(
                "files", f"{file!r} names no split: rename it, such as train.csv, or omit files"
            )


def _task(fields: Fields, name: str, marked: set[str]) -> TaskLayout:
    fields.check_keys((*LABELS, "parts", "separate"))
    kind = fields.one_of(LABELS, "where labels are")
    columns: tuple[str, ...] = ()
    pattern, level = None, 1
    if kind == "column":
        columns = (fields.text("column"),)
    elif kind == "columns":
        columns = fields.texts("columns")
        if not columns:
            fields.wrong("columns", "it is empty: name columns that hold 0 and 1")
    elif kind == "pattern":
        try:
            pattern = fields.text("pattern")
            groups = re.compile(pattern).groups
        except (re.error, RecursionError, OverflowError) as error:
            fields.wrong("pattern", f"it is not a regular expression ({error})")
        if not groups:
            fields.wrong("pattern", "it has no group: put the class in brackets, as in '(.+)_\\d+'")
    elif kind == "folders":
        level = _level(fields)
    elif not fields.flag(kind):
        fields.wrong(kind, "it should be true, or absent")
    parts: tuple[str, ...] | dict[str, tuple[str, ...]]
    if isinstance(fields.raw.get("parts"), dict):
        of_class = fields.table("parts")
        parts = {label: of_class.texts(label) for label in of_class.raw}
    else:
        parts = fields.texts("parts")
    named = parts if isinstance(parts, tuple) else [p for each in parts.values() for p in each]
    for part in named:
        if part not in marked:
            what = f"{part!r} is neither in [parts] nor in [points]"
            advice = remedy(part, marked) if marked else f"add [parts.{part}], or omit parts"
            fields.wrong("parts", f"{what}: {advice}")
    return TaskLayout(name, kind, columns, pattern, parts, fields.flag("separate"), level)


def _level(fields: Fields) -> int:
    level = fields.raw["folders"]  # true is 1
    if not isinstance(level, int) or not 1 <= level < 100:
        fields.wrong("folders", "it should be true, or the level of the folders: 1, 2, or so on")
    return int(level)


def _part(fields: Fields, name: str) -> PartLayout:
    if is_ignored(name) or not name:
        fields.wrong(name, "no part may have this name: choose another")
    fields.check_keys((*TRUTHS, "values", "ignore", "least", "objects"))
    kind = fields.one_of(TRUTHS, "where the truth is")
    wrong_place = {"values": "masks", "ignore": "masks", "least": "masks", "objects": "voc"}
    for key, place in wrong_place.items():
        if key in fields.raw and kind != place:
            fields.wrong(key, f"it belongs to {place}, not to {kind}: remove it")
    if kind == "box":
        return PartLayout(name, kind, columns=_sides(fields.table("box")))
    if kind == "coco":
        names = fields.texts("coco")
        return PartLayout(name, kind, names=names)
    paths = tuple(fields.path_below(kind, path) for path in fields.texts(kind))
    for path in paths:
        unknown = set(re.findall(r"{(.*?)}", path)) - {"stem", "path"}
        if unknown or not re.search(r"{(stem|path)}", path):
            fields.wrong(
                kind,
                f"{path!r} should hold {{stem}}, the name of a photo without its ending, or "
                "{path}, which is the same with its folders",
            )
    values, ignore = fields.values("values"), fields.values("ignore")
    least = int(fields.number("least", 1, 1, 2**31)) if "least" in fields.raw else None
    colors = any(isinstance(value, str) for value in (*values, *ignore))
    if colors and any(isinstance(value, int) for value in (*values, *ignore)):
        fields.wrong("ignore", "it mixes numbers and colors: give one kind")
    if ignore and not values and least is None:
        fields.wrong("values", "it is missing: say which values are the part, as in values = [1]")
    if set(values) & set(ignore):
        fields.wrong("ignore", "it has a value that is the part, too: remove it from one")
    return PartLayout(
        name,
        kind,
        paths=paths,
        values=Values(_numbers(values), least),
        ignore=Values(_numbers(ignore)) if ignore else None,
        colors=colors,
        names=fields.texts("objects"),
    )


def _numbers(values: tuple[int | str, ...]) -> tuple[int, ...]:
    return tuple(int(v[1:], 16) if isinstance(v, str) else v for v in values)


def _sides(fields: Fields) -> dict[str, str]:
    if set(fields.raw) not in _SIDES:
        fields.wrong(
            "left",
            "name the columns of left, top, and of right and bottom or of width and height",
        )
    return {side: fields.text(side) for side in fields.raw}


def _point(fields: Fields, name: str) -> tuple[str, ...]:
    where = fields.texts(name)
    if not isinstance(fields.raw[name], str) and len(where) not in (2, 3):
        fields.wrong(name, 'give the columns of x and y, as in ["beak_x", "beak_y"]')
    return where


def _split(fields: Fields) -> SplitLayout:
    ways = ("column", "folders", "files", "lists")
    fields.check_keys((*ways, "val", "test", "seed"))
    column, folders, files = fields.text("column"), fields.flag("folders"), fields.flag("files")
    lists = tuple(fields.path_below("lists", file) for file in fields.texts("lists"))
    for file in lists:
        if not split_of_list(file):
            fields.wrong("lists", f"{file!r} names no split: rename it, such as train.txt")
    given = [key for key in ways if fields.raw.get(key)]
    if len(given) > 1:
        fields.wrong(given[1], f"{' and '.join(given)} exclude each other: give one of them")
    val, test = (fields.number(k, d, 0.001, 0.9) for k, d in (("val", 0.1), ("test", 0.2)))
    if val + test > 0.95:
        fields.wrong("val", f"val and test take {val + test:g} of all photos: leave some to train")
    seed = int(fields.number("seed", 0, 0, 2**32))
    return SplitLayout(column, folders, files, lists, val, test, seed)
