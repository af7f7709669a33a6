"""Images of any mode, depth, orientation, alpha and damage: in a set and as files, the same."""

import io
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from jaxens.data import findings
from jaxens.data.cub import builder as cub
from jaxens.data.decoding import decode, decode_gray, open_photo
from jaxens.data.geometry import square
from jaxens.data.photos import from_files
from jaxens.data.preparing import notices
from jaxens.data.reading import PhotoError
from jaxens.data.schema import Example
from jaxens.data.source import Source
from jaxens.errors import UserError
from tests.data import tiny_cub
from tests.data.test_photos import held

SIDE = 16
ORIENTATION = 0x0112
# Where a mode can be stored without a loss; a JPEG only has to be close.
FORMATS = {
    "1": ("PNG", "TIFF"),
    "L": ("PNG", "JPEG", "TIFF", "WEBP"),
    "LA": ("PNG", "TIFF"),
    "P": ("PNG", "GIF"),
    "P with a transparent entry": ("PNG", "GIF"),
    "P with alpha": ("PNG",),
    "RGB": ("PNG", "JPEG", "TIFF", "WEBP"),
    "RGB with a transparent color": ("PNG",),
    "RGBA": ("PNG", "TIFF", "WEBP"),
    "CMYK": ("JPEG", "TIFF"),
    "I;16": ("PNG", "TIFF"),
    "I": ("TIFF",),
    "F": ("TIFF",),
}
ORIENTED = ("PNG", "JPEG", "WEBP", "TIFF")


@dataclass(frozen=True)
class Photo:
    """A photo to store, and what of it is to be seen."""

    mode: str
    format: str
    width: int
    height: int
    orientation: int
    kept: float  # fraction of the file's bytes

    @property
    def seen(self) -> np.ndarray:
        """Upright RGB pixels: four areas, so that every turn looks different."""
        down, right = np.mgrid[: self.height, : self.width]
        area = 2 * (down >= self.height // 3) + (right >= self.width // 4)
        gray = np.array([20, 90, 170, 240], np.uint8)[area]
        if self.mode == "1":
            return np.repeat(((area == 1) * np.uint8(255))[..., None], 3, axis=-1)
        if self.mode.startswith(("RGB", "P", "CMYK")):
            return np.stack([gray, 255 - gray, gray // 2 + 30], axis=-1)
        return np.repeat(gray[..., None], 3, axis=-1)

    @property
    def hidden(self) -> np.ndarray:
        """Pixels that are transparent, where the mode can say so."""
        shown = self.seen
        has_alpha = "A" in self.mode or "trans" in self.mode or "alpha" in self.mode
        return has_alpha & (shown == shown[-1, -1]).all(axis=-1)

    @property
    def expected(self) -> np.ndarray:
        """The central square; transparent pixels are white."""
        pixels = np.where(self.hidden[..., None], np.uint8(255), self.seen)
        top, left = (self.height - SIDE) // 2, (self.width - SIDE) // 2
        return pixels[top : top + SIDE, left : left + SIDE]

    def encoded(self) -> bytes:
        shown = held(self.seen, self.orientation)
        hidden = held(self.hidden, self.orientation)
        options: dict = {"quality": 98, "subsampling": 0} if self.format == "JPEG" else {}
        if self.format == "WEBP":
            options = {"lossless": True, "exact": True}
        image = Image.fromarray(shown)
        if self.mode == "1":
            image = Image.fromarray(shown[..., 0] > 0)
        elif self.mode in ("L", "CMYK"):
            image = image.convert(self.mode)
        elif self.mode in ("LA", "RGBA"):
            alpha = Image.fromarray(~hidden * np.uint8(255))
            image.putalpha(alpha)
            image = image.convert(self.mode)
        elif self.mode == "I;16":
            image = Image.fromarray(shown[..., 0].astype(np.uint16) * 257)
        elif self.mode in ("I", "F"):
            image = Image.fromarray(
                shown[..., 0].astype({"I": np.int32, "F": np.float32}[self.mode])
            )
        elif self.mode.startswith("P"):
            colors, entries = np.unique(shown.reshape(-1, 3), axis=0, return_inverse=True)
            image = Image.fromarray(entries.reshape(shown.shape[:2]).astype(np.uint8), "P")
            image.putpalette(colors.ravel().tolist())
            if hidden.any():
                entry = int(np.asarray(image)[hidden][0])
                options["transparency"] = (
                    entry
                    if self.mode.endswith("entry")
                    else bytes(0 if k == entry else 255 for k in range(len(colors)))
                )
        elif self.mode.endswith("color") and hidden.any():
            options["transparency"] = tuple(shown[hidden][0].tolist())
        if self.format in ORIENTED:
            exif = Image.Exif()
            exif[ORIENTATION] = self.orientation
            options["exif"] = exif
        file = io.BytesIO()
        with warnings.catch_warnings(action="ignore"):  # Pillow's about modes
            image.save(file, self.format, **options)
        content = file.getvalue()
        return content[: max(1, round(self.kept * len(content)))]


@st.composite
def photos(draw: st.DrawFn) -> Photo:
    mode = draw(st.sampled_from(sorted(FORMATS)))
    format = draw(st.sampled_from(FORMATS[mode]))
    more = 2 * draw(st.integers(0, 12))
    wide = draw(st.booleans())
    return Photo(
        mode,
        format,
        width=SIDE + more * wide,
        height=SIDE + more * (not wide),
        orientation=draw(st.integers(1, 8)) if format in ORIENTED else 1,
        kept=draw(st.sampled_from([1.0, 1.0, 1.0, 0.97, 0.5, 0.02])),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("photos")


@pytest.mark.slow
@settings(max_examples=8, deadline=None, derandomize=True)
@given(chosen=st.lists(photos(), min_size=12, max_size=12))
def test_a_photo_is_seen_alike_in_a_set_and_as_a_file_or_is_left_out_of_both(
    folder: Path, chosen: list[Photo]
) -> None:
    shutil.rmtree(folder)
    root = tiny_cub.write(folder)
    files = sorted(root.glob("images/*/Bird_000[12].jpg"))  # those to train on
    for file, photo in zip(files, chosen, strict=True):
        file.write_bytes(photo.encoded())
    with patch.object(findings, "MOST", 1.0):
        builder = cub.prepare(root, folder / "cache")
    source = Source(builder, "train", SIDE)
    in_set = {e.id: e.image for e in (source[i] for i in range(len(source)))}
    for file, photo in zip(files, chosen, strict=True):
        id = str(file.relative_to(root / "images"))
        try:
            alone = from_files([file], SIDE).images[0]
        except UserError:
            assert photo.kept < 1 or photo.mode in ("I", "F")
            assert id in builder.info.metadata["excluded"]
            assert "can't be used" in notices(builder)[1]
            continue
        np.testing.assert_array_equal(in_set[id], alone)
        if photo.kept == 1 or photo.format != "JPEG":
            difference = np.abs(alone.astype(int) - photo.expected)
            assert difference.mean() < (12 if photo.format == "JPEG" else 1.5), photo


def example(content: bytes, points: np.ndarray, box: np.ndarray) -> Example:
    return Example("a", content, np.float32(points), np.float32(box))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_points_and_boxes_are_turned_with_the_stored_pixels(orientation: int) -> None:
    pixels = np.zeros((24, 24, 3), np.uint8)
    pixels[2:6, 14:20] = (0, 255, 0)  # the box
    pixels[3, 15] = (255, 0, 0)  # the point
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", exif=exif)
    seen = square(
        example(file.getvalue(), np.array([[15.5, 3.5]]) / 24, np.array([14, 2, 20, 6]) / 24), 24
    )
    x, y = (seen.points[0] * 24).astype(int)
    left, top, right, bottom = (seen.box * 24).round().astype(int)
    assert tuple(seen.image[y, x]) == (255, 0, 0)
    assert (seen.image[top:bottom, left:right].sum(axis=-1) == 255).all()
    assert (right - left) * (bottom - top) == 24


def large(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (width, height), 70).save(file, "PNG")
    return file.getvalue()


def test_a_gray_map_of_16_bits_is_scaled() -> None:
    content = b"P5 2 1 65535\n" + bytes([0x80, 0x80, 0xFF, 0xFF])
    shown, _ = decode(open_photo(content), least=(1, 1))
    np.testing.assert_array_equal(np.asarray(shown)[..., 0], [[128, 255]])


def test_formats_for_which_pillow_starts_another_program_are_not_read() -> None:
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n%%EOF\n"
    with pytest.raises(PhotoError, match="is not an image of a known format"):
        open_photo(content)


def test_a_very_large_photo_is_read_without_a_warning_and_a_larger_one_is_not_called_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2_000_000)
    none = np.zeros((0, 2)), np.full(4, np.nan)
    assert square(example(large(2000, 1500), *none), 16).image.max() == 70
    with pytest.raises(PhotoError, match=r"^has more than 4 megapixels: make it smaller$"):
        square(example(large(2001, 2000), *none), 16)


def test_the_gray_values_of_a_mask_have_no_hidden_colors() -> None:
    def mask(image: Image.Image) -> np.ndarray:
        file = io.BytesIO()
        image.save(file, "PNG")
        return decode_gray(file.getvalue())

    white = Image.new("LA", (2, 2), (255, 0))
    white.putpixel((1, 0), (255, 255))
    np.testing.assert_array_equal(mask(white), [[0, 255], [0, 0]])
    np.testing.assert_array_equal(mask(Image.new("1", (1, 1), 1)), [[255]])
    np.testing.assert_array_equal(mask(Image.new("RGB", (1, 1), (9, 9, 9))), [[9]])
    with pytest.raises(PhotoError, match="has colors"):
        mask(Image.new("RGB", (1, 1), (128, 0, 0)))
