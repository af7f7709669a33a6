"""PartImageNet (He et al. 2022): parts of animals and things in photos of ImageNet; the birds.

The only label is the class of ImageNet, `wnid`. The parts are `head`, `body`, `wing`, `foot` and
`tail`; the center of mass of each is its key point. `evaluate RUN --on partimagenet` scores an
ensemble against them that was trained on another data set, as in Pazzani et al. 2022, section 5.1.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float

from jaxens.data.cache_key import cache_key
from jaxens.data.collection import Collection, Item, prepare_collection
from jaxens.data.folder.coco import Coco, CocoImage, CocoMarks, read_coco
from jaxens.data.progress import Progress, no_progress
from jaxens.data.reading import printable
from jaxens.data.schema import Info, Task, ignored
from jaxens.data.splits import complete_splits
from jaxens.errors import UserError

TITLE = "PartImageNet"
SPLITS = ("train", "val", "test")
KIND = "Bird"  # the first word of the names of categories, such as "Bird Wing"
WNID = 9  # characters of the id of a class of ImageNet, with which the name of a photo begins


def prepare(
    folder: Path, cache_dir: Path, progress: Progress = no_progress, kind: str = KIND
) -> tfds.core.DatasetBuilder:
    """Writes the records below `cache_dir` unless they exist, and opens them.

    Args:
        folder: Holds `train.json`, `val.json` and `test.json`, and folders of photos by the same
            names.
        cache_dir: The cache.
        progress: Called after each photo.
        kind: The photos that show parts of this kind of thing, such as "Bird" or "Car".

    Raises:
        UserError: If a JSON file is missing or malformed, or too many photos can't be used.
    """
    tables = _tables(folder)
    photos = [photo for split in tables for photo in _photos(folder / split)]
    key = cache_key(tables.values(), photos, folder, "\n".join((kind, *map(str, photos))))
    return prepare_collection(
        lambda: read(folder, kind), cache_dir, f"partimagenet-{key}", progress
    )


def read(folder: Path, kind: str = KIND) -> Collection:
    """Reads the JSON files, but no photo.

    A val or test without photos of this kind is drawn from train.

    Args:
        folder: As for `prepare`.
        kind: As for `prepare`.

    Raises:
        UserError: Names the file, the entry and the field that is wrong.
    """
    cocos = {split: read_coco(path, folder) for split, path in _tables(folder).items()}
    shown = {
        split: [image for image in coco.images if _annotations(image, _parts(coco, kind))]
        for split, coco in cocos.items()
    }
    if not any(shown.values()):
        names = sorted({name for coco in cocos.values() for name in coco.categories.values()})
        raise UserError(
            f"{folder / 'train.json'}: no photo has a category of {kind!r}, such as "
            f"'{kind} Head': its categories are {', '.join(names[:30]) or 'none'}"
        )
    classes = sorted({image.file[:WNID] for images in shown.values() for image in images})
    official = {
        split: [_item(folder, split, cocos[split], image, classes, kind) for image in images]
        for split, images in shown.items()
    }
    splits, notices = complete_splits(official, TITLE, folder / "train.json")
    parts = tuple(dict.fromkeys(p for c in cocos.values() for (p,) in _parts(c, kind).values()))
    crowds = any(
        annotation.get("iscrowd")
        for split, images in shown.items()
        for image in images
        for annotation in _annotations(image, _parts(cocos[split], kind))
    )
    return Collection(
        root=folder,
        title=TITLE,
        info=Info(
            TITLE,
            (Task.multiclass("wnid", tuple(map(printable, classes)), parts),),
            points=parts,
            masks=parts + (tuple(map(ignored, parts)) if crowds else ()),
        ),
        splits=splits,
        splits_from=str(folder),
        notices=notices,
        problems=[problem for coco in cocos.values() for problem in coco.problems],
        centers=parts,
        remedy="restore the files",
    )


def _photos(folder: Path) -> list[Path]:
    """Returns all photos of a split: to choose those of a kind, its large JSON must be read."""
    return sorted(folder.glob(f"{'?' * WNID}/[!.]*"))


def _tables(folder: Path) -> dict[str, Path]:
    tables = {split: folder / f"{split}.json" for split in SPLITS}
    if not tables["train"].is_file():
        raise UserError(
            f"{folder} holds no {TITLE} (no train.json): give the folder with train.json, "
            "val.json, test.json, and the photos in train, val and test"
        )
    return {split: path for split, path in tables.items() if path.is_file()}


def _parts(coco: Coco, kind: str) -> dict[int, tuple[str]]:
    """Returns the part of each category of a kind: "Bird Wing" is the wing of birds."""
    names = {id: name.split(maxsplit=1) for id, name in coco.categories.items()}
    return {
        id: (words[1].lower(),)
        for id, words in names.items()
        if len(words) == 2 and words[0].lower() == kind.lower()
    }


def _annotations(image: CocoImage, parts: Mapping[int, object]) -> list[Mapping[str, object]]:
    return [a for _, a in image.annotations if a["category_id"] in parts]


def _item(
    folder: Path, split: str, coco: Coco, image: CocoImage, classes: Sequence[str], kind: str
) -> Item:
    """Returns a photo. The JSON leaves out its folder, which is the beginning of its name."""
    wnid, parts = image.file[:WNID], _parts(coco, kind)
    return Item(
        id=printable(image.file),
        path=folder / split / wnid / image.file,
        labels={"wnid": np.array(classes.index(wnid), np.int32)},
        points=np.empty((0, 2)),
        box=_box([a.get("bbox") for a in _annotations(image, parts)]),
        marks=(CocoMarks(coco.path.name, image, parts),),
    )


def _box(boxes: Sequence[object]) -> Float[np.ndarray, "4"]:
    """Returns the box around the boxes (left, top, width, height) of all parts."""
    numbers = [
        box
        for box in boxes
        if isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box)
    ]
    if not numbers:
        return np.full(4, np.nan)
    corners = np.asarray(numbers, np.float64)
    corners[:, 2:] += corners[:, :2]
    return np.concatenate([corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)])
