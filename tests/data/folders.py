"""A stranger's folder of eight photos, with tables and a description."""

from pathlib import Path

from PIL import Image

from jaxens.data.folder import builder
from jaxens.data.preparing import notices
from jaxens.data.source import Source, load
from jaxens.data.split import Split

SIZE = (24, 16)  # width and height of every photo
NAMES = ("a 1.jpg", "b.JPG", "sub/ä.jpg", "sub/d.png", "e.jpg", "f.jpg", "g.jpg", "h.jpg")
TASK = '[tasks.kind]\ncolumn = "kind"\n'


def photo(path: Path, shade: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"
    Image.new("RGB", SIZE, (shade, 90, 200)).save(path, kind)
    return path


def photos(root: Path) -> Path:
    """A folder with eight photos in `photos`."""
    for i, name in enumerate(NAMES):
        photo(root / "photos" / name, 20 * i)
    return root


def write(root: Path, layout: str, table: str | bytes | None = None, name: str = "t.csv") -> None:
    head = f'table = "{name}"\n' if table is not None else ""
    (root / "dataset.toml").write_text(f'images = "photos"\n{head}{layout}')
    if table is not None:
        content = table.encode() if isinstance(table, str) else table
        (root / name).write_bytes(content)


def rows(header: str = "file,kind", *, kinds: str = "xyxyxyxy", extra: str = "") -> str:
    lines = [f"{name},{kind}{extra}" for name, kind in zip(NAMES, kinds, strict=True)]
    return "\n".join([header, *lines]) + "\n"


def opened(root: Path) -> tuple[dict[str, Split], list[str]]:
    records = builder.prepare(root, root.parent / "cache")
    splits = {name: load(Source(records, name, 16)) for name in ("train", "val", "test")}
    return splits, notices(records)


def by_id(splits: dict[str, Split], task: str = "kind") -> dict[str, str]:
    """The class of each photo, by the end of its id."""
    result = {}
    for split in splits.values():
        classes = split.info.task(task).classes
        for id, label in zip(split.ids, split.labels[task], strict=True):
            result[id.removeprefix("photos/")] = classes[label] if label >= 0 else ""
    return result
