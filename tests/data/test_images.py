"""Images as files really come: each mode and each rotation against pixels computed by hand or by another road."""

import io
import pickle
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from opsin.data.images import BadImage, is_grey, looks_like_image, plain, quiet, read

RNG = np.random.default_rng(7)
COLOUR = RNG.integers(0, 256, (24, 40, 3)).astype(np.uint8)
GREY = RNG.integers(0, 256, (24, 40)).astype(np.uint8)


def as_array(image):
    assert image.mode in ("L", "RGB") and not image.info
    return np.asarray(image)


def saved(image, path, **options):
    image.save(path, **options)
    return path


# The rows and columns that a camera stores under each mark, by the table "Orientation" of EXIF 2.32: in which visual
# side the first stored row and the first stored column lie.
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a[:, ::-1].swapaxes(0, 1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a[::-1].swapaxes(0, 1),
}


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg"])
@pytest.mark.parametrize("mark", range(1, 9))
def test_exif_rotation(mark, suffix, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = mark
    options = {"lossless": True} if suffix == "webp" else {}
    path = saved(Image.fromarray(COLOUR), tmp_path / f"a.{suffix}", exif=exif, **options)
    found = as_array(read(path))
    assert found.shape == ((24, 40, 3) if mark < 5 else (40, 24, 3))
    with Image.open(path) as image:
        assert (found == np.asarray(ImageOps.exif_transpose(image))).all()
    if suffix != "jpg":
        upright = np.ascontiguousarray(STORED[mark](COLOUR))
        assert (as_array(read(saved(Image.fromarray(upright), path, exif=exif, **options))) == COLOUR).all()


def test_rotation_is_applied_once(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    image = read(saved(Image.fromarray(COLOUR), tmp_path / "a.png", exif=exif))
    assert plain(image) is image


@pytest.mark.parametrize("mark", [0, 9, 300])
def test_a_rotation_mark_without_meaning_is_none(mark, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = mark
    assert (as_array(read(saved(Image.fromarray(COLOUR), tmp_path / "a.png", exif=exif))) == COLOUR).all()


def test_damaged_exif_does_not_damage_the_image(tmp_path):
    path = saved(Image.fromarray(COLOUR), tmp_path / "a.webp", lossless=True, exif=b"Exif\0\0MM\0*\0\0\xff\xff\xff")
    with quiet():
        assert (as_array(read(path)) == COLOUR).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_is_scaled(suffix, tmp_path):
    values = np.append(RNG.integers(0, 65536, 58), [0, 65535]).astype(np.uint16).reshape(6, 10)
    path = saved(Image.fromarray(values), tmp_path / f"a.{suffix}")
    assert (as_array(read(path)) == np.rint(values.astype(float) * 255 / 65535)).all()


def test_16_bit_copy_of_8_bits_is_the_same(tmp_path):
    path = saved(Image.fromarray(GREY.astype(np.uint16) * 257), tmp_path / "a.png")
    assert (as_array(read(path)) == GREY).all()


def test_mode_i_is_scaled_as_16_bits():
    values = np.array([[0, 257, 40000, 65535]], dtype=np.int32)
    assert as_array(plain(Image.fromarray(values))).tolist() == [[0, 1, 156, 255]]


@pytest.mark.parametrize(
    ("values", "kind"), [([[-1000, 3000]], np.int32), ([[0, 70000]], np.int32), ([[0.5, 1.5]], np.float32)]
)
def test_pixels_without_a_scale_are_refused(values, kind, tmp_path):
    with pytest.raises(BadImage, match=r"^a\.tif .*8 or 16 bits"):
        read(saved(Image.fromarray(np.array(values, kind)), tmp_path / "a.tif"), "a.tif")


def test_cmyk_jpeg(tmp_path):
    flat = np.zeros((16, 16, 4), np.uint8)
    flat[:] = (200, 100, 0, 51)  # ink: cyan, magenta, yellow, black
    path = saved(Image.fromarray(flat, "CMYK"), tmp_path / "a.jpg", quality=100)
    with Image.open(path) as image:
        assert image.mode == "CMYK"
    want = [(255 - ink) * (255 - 51) / 255 for ink in (200, 100, 0)]
    assert np.abs(as_array(read(path)).astype(float) - want).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_transparency_is_laid_on_white(suffix, tmp_path):
    alpha = RNG.integers(0, 256, (24, 40, 1)).astype(np.uint8)
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    path = saved(Image.fromarray(np.concatenate([COLOUR, alpha], axis=2)), tmp_path / f"a.{suffix}", **options)
    share = alpha / 255
    assert np.abs(as_array(read(path)) - (COLOUR * share + 255 * (1 - share))).max() <= 1


def test_grey_with_alpha_stays_grey(tmp_path):
    alpha = RNG.integers(0, 256, (24, 40)).astype(np.uint8)
    path = saved(Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(alpha)]), tmp_path / "a.png")
    found, share = as_array(read(path)), alpha / 255
    assert found.ndim == 2 and np.abs(found - (GREY * share + 255 * (1 - share))).max() <= 1


def test_palette(tmp_path):
    indexed = Image.fromarray(RNG.integers(0, 4, (8, 8)).astype(np.uint8), "L").convert("P")
    colours = np.array([[250, 0, 0], [0, 240, 0], [0, 0, 230], [9, 9, 9]], np.uint8)
    indexed.putpalette(colours.tobytes())
    want = colours[np.asarray(indexed)]
    assert (as_array(read(saved(indexed, tmp_path / "a.png"))) == want).all()
    want[np.asarray(indexed) == 2] = 255
    assert (as_array(read(saved(indexed, tmp_path / "b.png", transparency=2))) == want).all()


def test_transparent_colour_of_a_png_without_alpha(tmp_path):
    flat = np.full((4, 4, 3), 30, np.uint8)
    flat[0, 0] = (1, 2, 3)
    found = as_array(read(saved(Image.fromarray(flat), tmp_path / "a.png", transparency=(1, 2, 3))))
    assert found[0, 0].tolist() == [255] * 3 and (found[1:] == 30).all()


def test_one_bit(tmp_path):
    bits = RNG.integers(0, 2, (9, 11)).astype(bool)
    assert (as_array(read(saved(Image.fromarray(bits), tmp_path / "a.png"))) == bits * 255).all()


@pytest.mark.parametrize("suffix", ["gif", "webp", "tif", "png"])
def test_first_frame(suffix, tmp_path):
    frames = [Image.new("RGB", (12, 8), colour) for colour in ("red", "blue", "lime")]
    options = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **options)
    assert (as_array(read(tmp_path / f"a.{suffix}")) == [255, 0, 0]).all()


def test_a_phone_photo_of_several_pictures(tmp_path):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("white", "black")]
    frames[0].save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=frames[1:])
    assert (as_array(read(tmp_path / "a.jpg")) == 255).all()


def test_is_grey():
    assert is_grey(Image.fromarray(GREY)) and is_grey(Image.fromarray(GREY).convert("RGB"))
    almost = np.repeat(GREY[..., None], 3, axis=2)
    almost[23, 39, 1] ^= 1
    assert not is_grey(Image.fromarray(almost))
    assert not is_grey(Image.fromarray(COLOUR))


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of_size(width, height):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")


def png_16_bits(values):
    """A PNG of 16 bits a value, which Pillow cannot write: uint16 [h, w, channels], of 2 (grey, alpha) to 4."""
    height, width, channels = values.shape
    kind = {2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_16_bit_colour_and_alpha(channels):
    values = RNG.integers(0, 65536, (5, 9, channels)).astype(np.uint16)
    found = as_array(read(io.BytesIO(png_16_bits(values)), "x"))
    shares = values / 65535
    want = shares
    if channels != 3:
        want = shares[..., :-1] * shares[..., -1:] + 1 - shares[..., -1:]
    assert np.abs(found - 255 * want).max() <= 2


def test_fax(tmp_path):
    bits = RNG.integers(0, 2, (9, 11)).astype(bool)
    for photometric in (0, 1):  # whether 0 is white or black
        path = tmp_path / f"{photometric}.tif"
        Image.fromarray(bits).save(path, compression="group4", tiffinfo={262: photometric})
        assert (as_array(read(path)) == bits * 255).all()


@pytest.mark.parametrize("side", [30_000, 10_000, 6_400])  # Pillow itself raises, warns, and is silent
def test_size_in_the_header(side, tmp_path):
    path = tmp_path / "huge.png"
    path.write_bytes(png_of_size(side, side))
    with pytest.raises(BadImage, match=rf"^huge\.png is {side:,} x {side:,} px") as caught, quiet():
        read(path, "huge.png")
    assert "\n" not in str(caught.value)
    with pytest.raises(BadImage, match=f"{side:,} x {side:,}"), quiet():
        read(io.BytesIO(path.read_bytes()), "sent")


def test_a_frame_larger_than_the_image(tmp_path):
    path = saved(Image.new("P", (10, 10)), tmp_path / "a.gif")
    content = bytearray(path.read_bytes())
    frame = content.index(b"\x2c\0\0\0\0\x0a\0\x0a\0")
    content[frame + 5 : frame + 9] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(BadImage, match=r"^a\.gif is too large or damaged"):
        read(path, "a.gif")


def test_size_cap_is_of_pixels(tmp_path):
    path = saved(Image.fromarray(GREY), tmp_path / "a.png")
    assert read(path, max_pixels=24 * 40).size == (40, 24)
    with pytest.raises(BadImage, match="40 x 24"):
        read(path, max_pixels=24 * 40 - 1)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "gif", "tif"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_truncated(suffix, kept, tmp_path):
    whole = saved(Image.fromarray(COLOUR), tmp_path / f"a.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(BadImage, match=rf"^cats/a\.{suffix} is (cut short or )?damaged"):
        read(tmp_path / f"a.{suffix}", f"cats/a.{suffix}")


def test_no_image_at_all(tmp_path):
    (tmp_path / "text.jpg").write_text("not a picture, but a long enough line of text")
    (tmp_path / "empty.png").write_bytes(b"")
    for name, reason in [("text.jpg", "is not an image"), ("empty.png", "is empty"), ("none.png", "cannot be opened")]:
        with pytest.raises(BadImage, match=f"^x {reason}"):
            read(tmp_path / name, "x")
    with pytest.raises(BadImage, match="cannot be opened"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("pixels", "suffix", "mark"),
    [
        (COLOUR, "ppm", b"P6"),
        (GREY, "pgm", b"P5"),
        (GREY.astype(np.uint16) * 257, "pgm", b"P5"),
        (GREY > 127, "pbm", b"P4"),
    ],
)
def test_portable_maps(pixels, suffix, mark, tmp_path):
    path = saved(Image.fromarray(pixels), tmp_path / f"a.{suffix}")
    assert path.read_bytes().startswith(mark) and looks_like_image(path.read_bytes()[:12])
    want = {"ppm": COLOUR, "pgm": GREY, "pbm": (GREY > 127) * np.uint8(255)}[suffix]
    assert (as_array(read(path)) == want).all()
    assert not looks_like_image(b"P6, P5 and P4")


def test_other_formats_are_not_opened(tmp_path):
    path = saved(Image.fromarray(COLOUR), tmp_path / "a.png", format="PCX")
    with pytest.raises(BadImage, match=r"is not an image that is read \(JPEG, PNG"):
        read(path)


@given(st.sampled_from(["JPEG", "PNG", "WEBP", "BMP", "GIF", "PPM"]), st.data())
def test_damaged_bytes_raise_nothing_else(form, data):
    stream = io.BytesIO()
    Image.fromarray(GREY).save(stream, form)
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with quiet():
        try:
            assert read(io.BytesIO(bytes(content)), "x").mode in ("L", "RGB")
        except BadImage as error:
            assert str(error).startswith("x ") and "\n" not in str(error)


def test_interrupt_is_not_swallowed(monkeypatch, tmp_path):
    path = saved(Image.fromarray(GREY), tmp_path / "a.png")

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("opsin.data.images.plain", interrupted)
    with pytest.raises(KeyboardInterrupt):
        read(path)


def test_error_crosses_processes():
    error = pickle.loads(pickle.dumps(BadImage("a.jpg", "is empty")))
    assert (error.name, str(error)) == ("a.jpg", "a.jpg is empty")


def test_quiet_restores_warnings(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(png_of_size(10_000, 10_000))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with quiet(), pytest.raises(BadImage):
            read(path)
        assert seen == []
        with pytest.raises(BadImage):
            read(path)
        assert len(seen) == 1


def test_a_tile_far_beyond_the_image(tmp_path):
    path = tmp_path / "a.tif"
    tags = [(256, 100), (257, 100), (258, 8), (259, 8), (262, 1), (277, 1), (322, 20_000), (323, 20_000), (324, 200)]
    rows = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in [*tags, (325, 50)])
    path.write_bytes(b"II*\0\x08\0\0\0" + struct.pack("<H", 10) + rows + bytes(80) + zlib.compress(bytes(10**4)))
    with pytest.raises(BadImage, match=r"^a\.tif is damaged: its header says tiles of 20,000 x 20,000 px$"):
        read(path, "a.tif")


def test_text_that_unpacks_to_much(tmp_path):
    texts = b"".join(chunk(b"zTXt", b"%d\0\0" % k + zlib.compress(bytes(2**20 - 9))) for k in range(12))
    whole = png_of_size(1, 33)
    with pytest.raises(BadImage, match="text"):
        read(io.BytesIO(whole[:33] + texts + whole[33:]), "x")
