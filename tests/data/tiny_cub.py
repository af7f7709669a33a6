"""A folder in the layout of CUB-200-2011, with six species and a few tiny images each."""

from pathlib import Path

import numpy as np
from PIL import Image

SPECIES = (
    "001.Big_Albatross",
    "002.Black_footed_Albatross",
    "003.Crested_Auklet",
    "004.Least_Auklet",
    "005.Brown_Wren",
    "006.Marsh_Wren",
)
PARTS = (
    *("back", "beak", "belly", "breast", "crown", "forehead", "left eye", "left leg"),
    *("left wing", "nape", "right eye", "right leg", "right wing", "tail", "throat"),
)
ATTRIBUTES = (
    "has_bill_shape::dagger",
    "has_bill_shape::hooked_seabird",
    "has_bill_shape::cone",
    "has_wing_color::blue",
    "has_wing_color::red",
    "has_size::small_(5_-_9_in)",
    "has_size::large_(16_-_32_in)",
)
BEAK, LEFT_WING, RIGHT_WING = (PARTS.index(p) + 1 for p in ("beak", "left wing", "right wing"))


def write(folder: Path, per_species: int = 4) -> Path:
    """Writes `folder/CUB_200_2011`. The last image of a species is for testing.

    Image i of a species is (30 + i) x 22 pixels, or the other way round where i is odd;
    gray, with a red 4 x 4 square in whose middle the beak is. All of its bird's labels are
    those of the class-level table: answer 1, 2, 3, 1, 2, 3 of the bill shapes.
    """
    root = folder / "CUB_200_2011"
    for name in ("parts", "attributes", "images"):
        (root / name).mkdir(parents=True)
    tables: dict[str, list[str]] = {
        "images.txt": [],
        "image_class_labels.txt": [],
        "train_test_split.txt": [],
        "bounding_boxes.txt": [],
        "parts/part_locs.txt": [],
    }
    image = 0
    for k, species in enumerate(SPECIES):
        (root / "images" / species).mkdir()
        for i in range(per_species):
            image += 1
            name = f"{species}/Bird_{i:04d}.jpg"
            width, height = (30 + i, 22) if i % 2 == 0 else (22, 30 + i)
            beak = (width // 2 - 5, height // 2 + 4)
            _photo(width, height, beak, k).save(root / "images" / name, quality=95, subsampling=0)
            tables["images.txt"].append(f"{image} {name}")
            tables["image_class_labels.txt"].append(f"{image} {k + 1}")
            tables["train_test_split.txt"].append(f"{image} {int(i < per_species - 1)}")
            tables["bounding_boxes.txt"].append(f"{image} 3.0 2.0 {width - 6}.0 12.0")
            visible_parts = {
                BEAK: beak,
                LEFT_WING: (10.0, 6.0) if i % 2 == 0 else None,
                RIGHT_WING: (14.0, 8.0) if i % 4 < 2 else None,
            }
            for part in range(1, len(PARTS) + 1):
                x, y = visible_parts.get(part) or (0.0, 0.0)
                visible = int(visible_parts.get(part) is not None)
                tables["parts/part_locs.txt"].append(f"{image} {part} {x} {y} {visible}")
    tables["classes.txt"] = [f"{k} {name}" for k, name in enumerate(SPECIES, 1)]
    tables["parts/parts.txt"] = [f"{k} {name}" for k, name in enumerate(PARTS, 1)]
    tables["attributes/attributes.txt"] = [f"{k} {a}" for k, a in enumerate(ATTRIBUTES, 1)]
    by_class = 20.0 * np.ones((len(SPECIES), len(ATTRIBUTES)))
    by_class[np.arange(len(SPECIES)), np.arange(len(SPECIES)) % 3] = 60.0
    tables["attributes/class_attribute_labels_continuous.txt"] = [
        " ".join(map(str, row)) for row in by_class
    ]
    for path, rows in tables.items():
        (root / path).write_text("".join(f"{row}\n" for row in rows))
    return root


def _photo(width: int, height: int, beak: tuple[int, int], species: int) -> Image.Image:
    pixels = np.full((height, width, 3), 80 + 10 * species, np.uint8)
    x, y = beak
    pixels[y - 2 : y + 2, x - 2 : x + 2] = (255, 0, 0)
    return Image.fromarray(pixels)


def attribute_rows(root: Path, rows: list[str]) -> None:
    """Writes the table of single images: `image attribute present certainty time`."""
    path = root / "attributes" / "image_attribute_labels.txt"
    path.write_text("".join(f"{row}\n" for row in rows))


def replace_row(path: Path, row: int, text: str) -> None:
    """Replaces a row, counted from 1."""
    rows = path.read_text().splitlines()
    rows[row - 1] = text
    path.write_text("\n".join(rows) + "\n")


def segment(root: Path, next_to_it: bool = False) -> Path:
    """Writes a segmentation per image: the left half at 204, the rest at 102."""
    folder = (root.parent if next_to_it else root) / "segmentations"
    for photo in sorted((root / "images").rglob("*.jpg")):
        with Image.open(photo) as image:
            width, height = image.size
        gray = np.full((height, width), 102, np.uint8)
        gray[:, : width // 2] = 204
        path = folder / photo.parent.name / f"{photo.stem}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(gray).save(path)
    return folder
