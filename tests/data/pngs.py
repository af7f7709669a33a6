"""PNG files of any depth, which Pillow does not write."""

import struct
import zlib
from collections.abc import Sequence

CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by the kind of color: gray, RGB, and both with alpha


def png(
    depth: int,
    kind: int,
    values: Sequence[int],
    size: tuple[int, int],
    transparent: Sequence[int] = (),
) -> bytes:
    """Encodes rows of pixels.

    Args:
        depth: Bits of each value.
        kind: A key of `CHANNELS`.
        values: Row by row, pixel by pixel, channel by channel.
        size: Width and height.
        transparent: The gray value, or red, green and blue, that is not shown.
    """
    length = size[0] * CHANNELS[kind]
    rows = b""
    for start in range(0, length * size[1], length):
        bits = "".join(format(value, f"0{depth}b") for value in values[start : start + length])
        bits += "0" * (-len(bits) % 8)
        rows += b"\0" + int(bits, 2).to_bytes(len(bits) // 8)
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, 0))]
    if len(transparent):
        chunks.append((b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)))
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4)
        for name, data in chunks
    )
