"""Small folders in the layouts of public data sets, with what is odd in the real ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ATTRIBUTES = ("globules", "milia_like_cyst", "negative_network", "pigment_network", "streaks")
BREEDS = ("Abyssinian", "american_bulldog", "Egyptian_Mau")


def photo(path: Path, width: int = 20, height: int = 16, gray: int = 90) -> Path:
    return _save(path, np.full((height, width, 3), gray, np.uint8))


def mask(path: Path, values: np.ndarray) -> Path:
    return _save(path, values.astype(np.uint8))


def _save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "JPEG" if path.suffix.startswith(".j") else "PNG")
    return path


def corner(width: int, height: int, columns: int, value: int = 255) -> np.ndarray:
    """A mask whose first columns have a value."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[:, :columns] = value
    return pixels


def write_isic(root: Path, counts: dict[str, int], lesions: bool = True) -> Path:
    """Writes folders of "Training", "Validation" and "Test" photos.

    Photo `i` of a split has attribute `k` in its first `k + 5` columns if `(i + k) % 3 == 0`, and
    its lesion in the first ten. Sizes vary. Stray files lie next to the photos.
    """
    number = 0
    for split, count in counts.items():
        photos = root / f"ISIC2018_Task1-2_{split}_Input"
        version = "_v3" if split == "Training" else ""
        truth = root / f"ISIC2018_Task2_{split}_GroundTruth{version}"
        for i in range(count):
            id, size = f"ISIC_{number:07d}", (20 + i % 3, 16 + i % 2)
            number += 1
            photo(photos / f"{id}.jpg", *size, gray=60 + i)
            for k, name in enumerate(ATTRIBUTES):
                columns = k + 5 if (i + k) % 3 == 0 else 0
                mask(truth / f"{id}_attribute_{name}.png", corner(*size, columns))
            if lesions:
                folder = root / f"ISIC2018_Task1_{split}_GroundTruth"
                mask(folder / f"{id}_segmentation.png", corner(*size, 10))
            mask(photos / f"{id}_superpixels.png", corner(*size, 3))
        (photos / "ATTRIBUTION.txt").write_text("by many")
        (photos / ".DS_Store").write_bytes(b"\0\1")
    return root


def write_partimagenet(root: Path, counts: dict[str, int]) -> Path:
    """Writes JSON files and photos of "train", "val" and "test".

    Photo `i` is a bird, with a head in a corner and a wing that is a rectangle, 5 to 15 by 4 to
    12. There is a polygon of two points in it, and a car and an image without annotations, whose
    photos are missing.
    """
    categories = [
        {"id": 0, "name": "Quadruped Head", "supercategory": "Quadruped"},
        {"id": 13, "name": "Bird Head", "supercategory": "Bird"},
        {"id": 14, "name": "Bird Body", "supercategory": "Bird"},
        {"id": 15, "name": "Bird Wing", "supercategory": "Bird"},
        {"id": 22, "name": "Car Body", "supercategory": "Car"},
    ]
    number = 0
    for split, count in counts.items():
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []

        for i in range(count):
            wnid = f"n0153{i % 2}829"
            name = f"{wnid}_{number}.JPEG"
            images.append({"id": number, "file_name": name, "width": 20, "height": 16})
            number += 1
            photo(root / split / wnid / name)
            head, wing = [0, 0, 4, 0, 4, 4, 0, 4], [5, 4, 15, 4, 15, 12, 5, 12]
            annotations += [
                _annotation(images[-1], 13, [head, [1, 1, 2, 2]], [0, 0, 4, 4]),
                _annotation(images[-1], 15, [wing], [5, 4, 10, 8]),
            ]
        for name in ("n02814533_9.JPEG", "n02009912_9.JPEG"):
            images.append({"id": number, "file_name": name, "width": 20, "height": 16})
            number += 1
            if name.startswith("n02814533"):
                annotations.append(_annotation(images[-1], 22, [[0, 0, 4, 0, 4, 4]], [0, 0, 4, 4]))
        root.mkdir(parents=True, exist_ok=True)
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / f"{split}.json").write_text(json.dumps(content))
    return root


def _annotation(
    image: dict[str, Any], category: int, polygons: list[list[int]], box: list[int]
) -> dict[str, Any]:
    return {
        "image_id": image["id"],
        "category_id": category,
        "segmentation": polygons,
        "bbox": box,
        "iscrowd": 0,
    }


def write_pets(root: Path, per_breed: int = 4, splits: bool = True) -> Path:
    """Writes photos, trimaps and tables; photos with an even number have a head box.

    Of 20 x 16 pixels, the first eight columns are the animal, and the next four its border. The
    last photo of a breed is for testing. Stray files lie next to the trimaps and the photos.
    """
    rows, tables = [], {"trainval": [], "test": []}
    trimap = np.repeat([[1] * 8 + [3] * 4 + [2] * 8], 16, axis=0)
    for breed, title in enumerate(BREEDS, 1):
        for k in range(1, per_breed + 1):
            name = f"{title}_{k}"
            row = f"{name} {breed} {1 if title[0].isupper() else 2} {breed}"
            rows.append(row)
            tables["test" if k == per_breed else "trainval"].append(row)
            photo(root / f"images/{name}.jpg")
            mask(root / f"annotations/trimaps/{name}.png", trimap)
            (root / f"annotations/trimaps/._{name}.png").write_bytes(b"\0\5\x16\7")
            if k % 2 == 0:
                box = root / f"annotations/xmls/{name}.xml"
                box.parent.mkdir(exist_ok=True)
                box.write_text(_voc(name, "cat" if title[0].isupper() else "dog"))
    (root / "images/Abyssinian_100.mat").write_bytes(b"MATLAB")
    comments = "#Image CLASS-ID SPECIES BREED ID\n#ID: 1:37 Class ids\n"
    (root / "annotations/list.txt").write_text(comments + "\n".join(rows) + "\n")
    for table, lines in tables.items() if splits else ():
        (root / f"annotations/{table}.txt").write_text("\n".join(lines) + "\n")
    return root


def _voc(name: str, animal: str) -> str:
    """Pixels count from 1: the head is in columns 2 to 5 and rows 1 to 6, counted from 0."""
    return f"""<annotation>
    <folder>OXIIIT</folder><filename>{name}.jpg</filename>
    <size><width>20</width><height>16</height><depth>3</depth></size>
    <object><name>{animal}</name>
        <bndbox><xmin>3</xmin><ymin>2</ymin><xmax>6</xmax><ymax>7</ymax></bndbox>
    </object>
</annotation>
"""
