"""Damaged image files and bombs: small files that say they are huge, or unpack to much."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

FORMATS = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF"}


def picture(seed: int, side: int = 48) -> Image.Image:
    """Smooth shapes with some noise, as photos have."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)).resize((side, side), 2)
    noise = rng.integers(0, 12, (side, side, 3))
    return Image.fromarray(np.clip(np.asarray(coarse).astype(int) + noise, 0, 255).astype(np.uint8))


def encoded(image: Image.Image, form: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **({"compression": "tiff_lzw"} if form == "TIFF" else {}))
    return stream.getvalue()


def mutated(content: bytes, how: int, rng: np.random.Generator) -> bytes:
    """The file with flipped bits, cut short, with a block of zeros, or with a damaged header."""
    data, n = bytearray(content), len(content)
    if how == 0:
        for at in rng.integers(0, n, 5):
            data[at] ^= 1 << int(rng.integers(0, 8))
    elif how == 1:
        del data[int(rng.integers(1, n)) :]
    elif how == 2:
        start = int(rng.integers(0, n))
        data[start : start + 256] = bytes(len(data[start : start + 256]))
    else:
        for at in rng.integers(0, min(64, n), 6):
            data[at] = int(rng.integers(0, 256))
    return bytes(data)


def mutants(folder: Path, count: int, seed: int = 0) -> list[Path]:
    """Writes `count` mutated files of all formats in turn into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, written = np.random.default_rng(seed), []
    for k in range(count):
        suffix = list(FORMATS)[k % 6]
        path = folder / f"mutant-{k:03d}.{suffix}"
        path.write_bytes(mutated(encoded(picture(1000 + k), FORMATS[suffix]), k // 6 % 4, rng))
        written.append(path)
    return written


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, body: bytes, extra: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def zeros(size: int) -> bytes:
    """`size` zeros, packed: one block of them many times over, and the checksum that zlib computes for zeros."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, wbits=-15)
    rest = last.compress(bytes(size % 2**20)) + last.flush()
    return b"\x78\xda" + size // 2**20 * block + rest + struct.pack(">I", size % 65521 << 16 | 1)


def tiff(tags: list[tuple[int, int]], data: bytes, compression: int = 8) -> bytes:
    """A TIFF of grey pixels whose one strip or tile lies behind its tags."""
    tags = sorted([*tags, (258, 8), (259, compression), (262, 1), (277, 1)])
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    head = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + rows + struct.pack("<I", 0)
    return head + bytes(400 - len(head)) + data


def gif(canvas: int, frame: int) -> bytes:
    content = bytearray(encoded(Image.new("P", (10, 10)), "GIF"))
    at = content.index(b"\x2c\0\0\0\0\x0a\0\x0a\0")
    content[6:10] = struct.pack("<HH", canvas, canvas)
    content[at + 5 : at + 9] = struct.pack("<HH", frame, frame)
    return bytes(content)


def webp(side: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "WEBP", lossless=True)
    content = bytearray(stream.getvalue())
    at = content.index(b"VP8L") + 9
    content[at : at + 4] = ((side - 1) | (side - 1) << 14).to_bytes(4, "little")
    return bytes(content)


def jpeg(side: int) -> bytes:
    content = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", side, side)
    return bytes(content)


def bmp(side: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, side, side, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 1000, 0, 0, 54) + header + bytes(100)


def strip(side: int, data: bytes) -> bytes:
    return tiff([(256, side), (257, side), (273, 400), (278, side), (279, len(data))], data)


def tile(side: int, data: bytes) -> bytes:
    return tiff([(256, 100), (257, 100), (322, side), (323, side), (324, 400), (325, len(data))], data)


def bombs() -> dict[str, bytes]:
    """Twelve files that must not be decoded."""
    text = b"".join(chunk(b"zTXt", b"k%d\0\0" % k + zeros(2**20 - 16)) for k in range(60))
    return {
        "header.png": png(20_000, 20_000, zlib.compress(bytes(99))),
        "whole.png": png(13_000, 13_000, zeros(13_000 * 39_001)),  # 0.5 MB that hold 507
        "text.png": png(10, 10, zlib.compress(bytes(310)), text),
        "profile.png": png(10, 10, zlib.compress(bytes(310)), chunk(b"iCCP", b"x\0\0" + zeros(10**8))),
        "canvas.gif": gif(65_535, 65_535),
        "frame.gif": gif(100, 65_535),
        "strip.tif": strip(15_000, zeros(15_000**2)),
        "tile.tif": tile(16_384, zeros(16_384**2)),
        "lossless.webp": webp(16_383),
        "header.bmp": bmp(20_000),
        "lie.bmp": bmp(2**31 - 1),
        "header.jpg": jpeg(65_500),
    }
