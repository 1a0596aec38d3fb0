"""Reading one image right: upright, without transparency, 8 bits a value, grey or RGB.

Whatever a file holds (a palette, CMYK, an alpha channel, 16 bits, a camera's rotation mark), the rest of Opsin sees
a PIL image of mode "L" or "RGB". A file that cannot be read is a `BadImage`, which names it and says why.
"""

import ctypes
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError, _imaging

from opsin.errors import OpsinError

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
MAX_PIXELS = 40_000_000
MAX_TILE = 2**22
"""Pixels of a TIFF's tile, each of which is decoded whole: so many, or four times those of the image."""
PngImagePlugin.MAX_TEXT_MEMORY = 2**23  # bytes of unpacked text in a file; as it comes, 64 MiB

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAGIC += tuple(b"P%d%c" % (kind, space) for kind in range(1, 7) for space in b" \t\r\n")  # PBM, PGM, PPM
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # tags of TIFF 6.0
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class BadImage(OpsinError):
    """A file that cannot be read as an image: `name` as the caller named it, and `reason`, which follows the name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, reason)
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.name} {self.reason}"


def read(file: Path | BinaryIO, name: str | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The image of a file, as `plain` gives it. The first frame or page is taken where there are several.

    `name` stands for the file in an error. More than `max_pixels` in the header are refused before anything is
    decoded. Raises BadImage.
    """
    name = str(file) if name is None else name
    try:
        with Image.open(file, formats=FORMATS) as image:
            _check_size(name, image.size, max_pixels)
            _check_tile(name, image)
            image.load()
            return plain(image)
    except BadImage:
        raise
    except Image.DecompressionBombError as error:  # Pillow's own cap, which comes before ours where it is exceeded
        _check_size(name, _size_in_header(file), max_pixels)
        raise BadImage(name, f"is too large or damaged ({error})") from None
    except UnidentifiedImageError:
        raise BadImage(name, _why_unidentified(file)) from None
    except MemoryError:
        raise BadImage(name, "needs more memory to be decoded than there is") from None
    except Exception as error:  # the readers raise OSError, ValueError, SyntaxError, struct.error and others
        if isinstance(error, OSError) and error.errno is not None:
            raise BadImage(name, f"cannot be opened: {error.strerror}") from None
        why = " ".join(str(error).split()) or type(error).__name__
        raise BadImage(name, f"is cut short or damaged ({why})") from None


def plain(image: Image.Image) -> Image.Image:
    """The same picture as mode "L" or "RGB": turned upright by its EXIF mark, laid on white where it is transparent.

    16-bit grey is scaled by 255/65535, not clipped. Grey stays grey ("L"); palettes become RGB. Raises ValueError for
    pixels that have no such scale (floating point, values beyond 16 bits).
    """
    if type(image) is Image.Image and image.mode in ("L", "RGB") and not image.info:
        return image
    turn = _UPRIGHT.get(_orientation(image))
    if turn is not None:
        image = image.transpose(turn)
    if image.mode == "F":
        raise ValueError("floating-point pixels; save it with 8 or 16 bits")
    if image.mode.startswith("I"):
        return _from_16_bits(image)
    mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    result = image.convert(mode)
    result.info = {}  # its EXIF mark has been obeyed, and must not be again
    return result


@dataclass(frozen=True)
class Header:
    """How a file holds its picture.

    Attributes:
        format: one of FORMATS, or "MPO" for a JPEG of several pictures.
        mode: Pillow's name: "RGB", "L", "P" (a palette), "CMYK", "I;16" ...
        transparent: whether it has an alpha channel or a transparent colour.
        turned: whether its EXIF mark turns or mirrors it.
        animated: whether it has further frames or pages, which are not read.
    """

    format: str
    mode: str
    transparent: bool
    turned: bool
    animated: bool


def header(file: Path) -> Header:
    """What the header of a file that `read` can read says of it; nothing is decoded. Raises OSError."""
    with Image.open(file, formats=FORMATS) as image:
        return Header(
            format=image.format or "",
            mode=image.mode,
            transparent=image.has_transparency_data,
            turned=_orientation(image) in _UPRIGHT,
            animated=bool(getattr(image, "is_animated", False)),
        )


def is_grey(image: Image.Image) -> bool:
    """Whether an image of mode "L" or "RGB" shows only greys: its three channels are equal everywhere."""
    if image.mode == "L":
        return True
    pixels = np.asarray(image)
    some = pixels[::16, ::16]
    return _channels_equal(some) and _channels_equal(pixels)


def looks_like_image(head: bytes) -> bool:
    """Whether a file that begins with `head` (12 bytes are enough) says that it is of one of FORMATS."""
    return head.startswith(_MAGIC) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP")


@contextmanager
def quiet() -> Iterator[None]:
    """Keeps what Pillow and libtiff say of odd files off stderr. For the thread that starts the others."""
    _silence_libtiff()
    log = logging.getLogger("PIL")
    level = log.level
    log.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _channels_equal(pixels: np.ndarray) -> bool:
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return bool((red == green).all() and (red == blue).all())


def _orientation(image: Image.Image) -> int:
    try:
        mark = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a damaged EXIF block says nothing, and the picture is good without it
        return 1
    return mark if isinstance(mark, int) else 1


def _from_16_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int64)
    low, high = values.min(), values.max()
    if low < 0 or high > 65535:
        raise ValueError(f"grey values from {low} to {high}; save it with 8 or 16 bits")
    return Image.fromarray(((values + 128) // 257).astype(np.uint8))  # 65535 = 255 · 257


def _silence_libtiff() -> None:
    """libtiff prints to stderr by itself, until it has no handlers. Where it is linked in otherwise, it goes on."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(_imaging.__file__)
        library.TIFFSetErrorHandler(None)
        library.TIFFSetWarningHandler(None)


def _check_tile(name: str, image: Image.Image) -> None:
    tags = getattr(image, "tag_v2", {})
    width, height = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0)
    if width * height > max(MAX_TILE, 4 * image.width * image.height):
        raise BadImage(name, f"is damaged: its header says tiles of {width:,} x {height:,} px")


def _check_size(name: str, size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        mega, most = width * height / 1e6, max_pixels / 1e6
        raise BadImage(
            name, f"is {width:,} x {height:,} px ({mega:,.0f} megapixels); at most {most:g} are read: make it smaller"
        )


def _size_in_header(file: Path | BinaryIO) -> tuple[int, int]:
    """Width and height of a file whose size made Image.open refuse it; 0 where they are not to be had."""
    if isinstance(file, Path):
        with file.open("rb") as stream:
            return _size_in_header(stream)
    for name in FORMATS:
        factory, accept = Image.OPEN[name]
        file.seek(0)
        if accept is None or accept(file.read(16)) is True:
            file.seek(0)
            try:
                return factory(file, "").size
            except Exception:  # of any kind, as in read
                break
    return 0, 0


def _why_unidentified(file: Path | BinaryIO) -> str:
    if isinstance(file, Path):
        with file.open("rb") as stream:
            return _why_unidentified(stream)
    file.seek(0)
    head = file.read(12)
    if not head:
        return "is empty (0 bytes)"
    return (
        "is damaged: its header cannot be read"
        if looks_like_image(head)
        else f"is not an image that is read ({', '.join(FORMATS)})"
    )
