"""Images with 16 bits per color: what 0 means, how many bits are used, and values of masks."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxens.data.cub import builder as cub
from jaxens.data.decoding import (
    decode,
    decode_colors,
    decode_gray,
    decode_values,
    is_dim,
    open_photo,
)
from jaxens.data.photos import from_files
from jaxens.data.preparing import notices
from jaxens.data.reading import PhotoError
from tests.data import tiny_cub
from tests.data.pngs import png


def encoded(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def deep(values: list[int], format: str = "PNG", **options: object) -> bytes:
    """16-bit gray values in a row."""
    return encoded(Image.fromarray(np.array([values], np.uint16)), format, **options)


def twelve_bits(values: list[int]) -> bytes:
    """A TIFF with gray of 12 bits in a row, which Pillow can't write; two values are 3 bytes."""
    packed = sum(value << 12 * k for k, value in enumerate(reversed(values)))
    pixels = packed.to_bytes(12 * len(values) // 8)
    content = bytearray(deep([0] * len(values), "TIFF"))
    start = len(content) - 2 * len(values)
    tags = int.from_bytes(content[8:10], "little")
    for k in range(10, 10 + 12 * tags, 12):
        tag = int.from_bytes(content[k : k + 2], "little")
        if tag == 258:  # bits per sample
            content[k + 8 : k + 10] = (12).to_bytes(2, "little")
        elif tag == 279:  # bytes of the pixels
            content[k + 8 : k + 12] = len(pixels).to_bytes(4, "little")
        elif tag == 273:
            assert int.from_bytes(content[k + 8 : k + 12], "little") == start
    content[start:] = pixels
    return bytes(content)


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}], ids=["raw", "lzw"])
@pytest.mark.parametrize("white_is_zero", [False, True])
def test_a_tiff_whose_zero_is_white_is_no_negative(white_is_zero: bool, options: dict) -> None:
    info = {"tiffinfo": {262: 1 - white_is_zero}, **options}
    stored = 65535 - np.array([0, 257, 65535]) if white_is_zero else np.array([0, 257, 65535])
    content = deep(stored.tolist(), "TIFF", **info)
    np.testing.assert_array_equal(np.asarray(decode(open_photo(content))[0])[..., 0], [[0, 1, 255]])
    np.testing.assert_array_equal(decode_values(content), [[0, 257, 65535]])
    np.testing.assert_array_equal(decode_gray(content), [[0, 1, 255]])


def test_12_bits_of_a_tiff_that_says_so_are_scaled_from_12_bits() -> None:
    content = twelve_bits([0, 16, 2048, 4095])
    shown = np.asarray(decode(open_photo(content))[0])[..., 0]
    np.testing.assert_array_equal(shown, [[0, 1, 128, 255]])
    assert not is_dim(content)


@pytest.mark.parametrize(
    ("content", "dim"),
    [
        (deep([0, 4095]), True),
        (deep([0, 256], "TIFF"), True),
        (deep([0, 4096]), False),
        (deep([0, 255]), False),  # black, or a mask
        (encoded(Image.new("L", (2, 2), 9)), False),
        (encoded(Image.new("RGB", (2, 2), (9, 9, 9)), "TIFF"), False),
    ],
    ids=["12 bits", "9 bits, TIFF", "13 bits", "8 bits in 16", "8 bits", "8 bits, TIFF"],
)
def test_a_photo_with_12_bits_in_16_is_dim(content: bytes, dim: bool) -> None:
    assert is_dim(content) == dim


@pytest.mark.parametrize(("value", "dim"), [(4095, True), (4096, False), (255, False)])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_a_png_with_12_bits_in_16_per_color_is_dim(channels: int, value: int, dim: bool) -> None:
    kind = {2: 4, 3: 2, 4: 6}[channels]
    values = [value] * channels if channels == 3 else [value] * (channels - 1) + [65535]
    content = png(16, kind, values, (1, 1))
    assert is_dim(content) == dim


def test_a_photo_that_is_nearly_black_is_named_in_one_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tiny_cub.write(tmp_path)
    first, second, other = sorted(root.glob("images/*/Bird_0001.jpg"))[:3]
    for file in (first, second):
        file.write_bytes(deep([100, 4000]))
    other.write_bytes(deep([100, 40000]))
    found = [n for n in notices(cub.prepare(root, tmp_path / "cache")) if "4096" in n]
    assert len(found) == 1
    assert "2 of 24 photos have 16 bits and no value of 4096 or more" in found[0]
    assert first.parent.name in found[0]
    assert other.parent.name not in found[0]
    from_files([first, second, other], 16)
    warnings = [message for message in caplog.messages if "4096" in message]
    assert len(warnings) == 1
    assert warnings[0].startswith(f"{first}, {second}: 16 bits and no value of 4096 or more")
    assert "multiply" in warnings[0]


def test_values_of_a_16_bit_mask_are_exact_or_refused() -> None:
    np.testing.assert_array_equal(decode_gray(deep([0, 3, 255])), [[0, 3, 255]])
    np.testing.assert_array_equal(decode_gray(deep([0, 257, 65535])), [[0, 1, 255]])
    np.testing.assert_array_equal(decode_values(deep([0, 300, 65535])), [[0, 300, 65535]])
    np.testing.assert_array_equal(decode_colors(deep([0, 65535])), [[0, 0xFFFFFF]])
    for read in (decode_gray, decode_colors):
        with pytest.raises(PhotoError, match=r"^has the 16-bit value 300: save it with 8 bits$"):
            read(deep([0, 1, 300]))
