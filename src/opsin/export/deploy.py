"""A bundle as files that run without Opsin; each was run against the network before it got its name."""

import shutil
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import torch
from torch import Tensor, nn

from opsin.bundle import Bundle
from opsin.data import load, scan
from opsin.data.preprocess import Preprocess
from opsin.errors import OpsinError, unknown
from opsin.export import onnx, openvino, program
from opsin.export.about import ABOUT, FromPixels, about, inputs, reading
from opsin.export.int8 import quiet
from opsin.export.libraries import check_free
from opsin.export.loss import Loss, measure, read_images
from opsin.export.verify import BATCHES, TOLERANCE, Runner, check_steady, tried, verify
from opsin.files import flush, sha256, whole, write_json
from opsin.runtime import backends

TARGETS: dict[str, ModuleType] = {"onnx": onnx, "openvino": openvino, "torch": program}


@dataclass(frozen=True)
class Int8:
    """Static quantisation: images (see opsin.data.sources), how many to calibrate on, and points that it may lose.

    `groups`, `skip_bad` and `root` as in `opsin compare`.
    """

    data: str | Path
    calibrate: int = 200
    max_loss: float = 2.0
    groups: str | None = None
    skip_bad: bool = False
    root: Path | None = None

    def __post_init__(self) -> None:
        if self.calibrate < 1:
            raise OpsinError(f"--calibrate must be at least 1, not {self.calibrate}")
        if not self.max_loss >= 0:
            raise OpsinError(f"--max-loss must not be negative: {self.max_loss:g}")


@dataclass(frozen=True)
class Exported:
    """A folder that was written; `difference` is the largest of a logit, over the largest, `loss` that of int8.

    `notes` are of the images that int8 took.
    """

    folder: Path
    how_to_run: str
    difference: float | None = None
    loss: Loss | None = None
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.loss:
            return f"{self.folder}: {self.loss}"
        numbers = " and ".join(map(str, BATCHES))
        return (
            f"{self.folder}: on batches of {numbers} its logits are the network's to {self.difference:.0e} of the "
            f"largest (allowed: {TOLERANCE:.0e})"
        )


def export(
    bundle: Bundle, to: str, out: Path | None = None, *, uint8: bool = False, int8: Int8 | None = None
) -> Exported:
    """Writes a trained network as a folder with model.onnx, model.xml and .bin, or model.pt2, and opsin.json.

    Classes, preprocessing and origin stand in opsin.json and in the model file itself.

    Args:
        to: "onnx", "openvino" or "torch".
        out: the folder; by default MODEL-TO or MODEL-TO-int8 in the current one.
        uint8: the file takes decoded pixels, uint8 [N, S, S, C], and normalises them itself; else it takes normalised
            images, float32 [N, C, S, S].
        int8: quantise it, for "onnx" and "openvino".

    Raises:
        OpsinError: a package is missing, the file does not give the network's logits, int8 loses more than it may, or
            `out` is there already. Nothing is written then.
    """
    if to not in TARGETS:
        raise unknown("format to export to", to, TARGETS)
    target = TARGETS[to]
    extra = "export,openvino" if int8 and to == "openvino" else target.EXTRA
    check_packages(to, (*target.NEEDS, *(("onnxruntime",) if int8 else ())), extra)
    if int8 and target is program:
        raise OpsinError("--int8 is for --to onnx and --to openvino")
    out = out or Path(f"{bundle.model}-{to}" + ("-int8" if int8 else ""))
    if out.suffix in (".onnx", ".xml", ".bin", ".pt2", ".pt", ".pth"):
        raise OpsinError(f"--out {out}: an export to {to} is a folder, with {target.FILE} and {ABOUT} in it")
    check_free(out)
    net = FromPixels(bundle.net, bundle.preprocess).eval() if uint8 else bundle.net.eval()
    facts = about(bundle, to, uint8)
    with whole(out) as folder, TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder.mkdir()
        images = None
        if int8:
            source = scan(load(int8.data, int8.groups, int8.root), skip_bad=int8.skip_bad)
            images = read_images(bundle, source, int8.calibrate, Path(scratch))
        calibration = images and inputs(bundle.preprocess, torch.from_numpy(images.calibration), uint8).numpy()
        samples = inputs(bundle.preprocess, sample_pixels(bundle.preprocess), uint8)
        file = folder / target.FILE
        run = write(target, net, samples, file, facts, calibration)
        difference, loss = None, None
        if int8 and images:
            check_steady(file, run, samples[: max(BATCHES)])
            check_steady(file, run, samples[-max(BATCHES) :])
            loss = measure(run, net, bundle, images, uint8)
            check_loss(loss, int8.max_loss)
            facts["int8"] = loss.to_dict()
        else:
            batches = [part[:n] for part in samples.split(max(BATCHES)) for n in BATCHES]
            difference = verify(file, run, net, batches)
            facts["verified"] = {"batches": BATCHES, "relative_difference": difference, "tolerance": TOLERANCE}
        facts["files"] = {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in files(folder)}
        write_json(folder / ABOUT, facts)
    imports = [f"import json, numpy as np, {target.RUNS_WITH}", "from PIL import Image, ImageOps"]
    lines = [*imports, *reading(bundle.preprocess, uint8), *target.how_to_run(out / target.FILE)]
    return Exported(out, "\n".join(lines), difference, loss, images.notes if images else ())


def write(target: ModuleType, net: nn.Module, samples: Tensor, file: Path, facts: dict, calibration) -> Runner:
    """Writes the file and loads it again. Raises OpsinError for what its library cannot do."""
    try:
        with quiet():
            target.write(net, samples[:2], file, facts, calibration)
            for path in files(file.parent):
                flush(path)
            return partial(tried, file, target.load(file))
    except (OpsinError, MemoryError):
        raise
    except OSError as error:  # not every library says which file
        raise OSError(error.errno, error.strerror or str(error), error.filename or str(file)) from None
    except Exception as error:  # a library raises what it likes
        if shutil.disk_usage(file.parent).free < 1_000_000:
            raise OSError(28, "No space left on device", str(file.parent)) from None
        why = " ".join(str(error).split())[:200]
        raise OpsinError(f"{type(net).__name__} cannot be written as {target.FILE}: {why}") from None


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file())


def sample_pixels(preprocess: Preprocess) -> Tensor:
    """Seven images of noise and seven of soft patches, as photographs have: uint8 [14, C, S, S]."""
    generator = torch.Generator().manual_seed(0)
    shape = (max(BATCHES), preprocess.channels, preprocess.size, preprocess.size)
    noise = torch.randint(256, shape, generator=generator, dtype=torch.uint8)
    patches = torch.rand(*shape[:2], 5, 5, generator=generator) * 255
    soft = nn.functional.interpolate(patches, preprocess.size, mode="bilinear", align_corners=False)
    return torch.cat([noise, soft.to(torch.uint8)])


def check_loss(loss: Loss, most: float) -> None:
    """Raises OpsinError where int8 loses more than `most` points."""
    if loss.points > most:
        raise OpsinError(
            f"{loss}: that is {loss.points:.2f} points, more than --max-loss {most:g}; nothing was written. Calibrate "
            "on more images, or allow it"
        )


def check_packages(to: str, needs: tuple[str, ...], extra: str) -> None:
    """Raises OpsinError where something is not installed, or a runtime cannot be imported."""
    if absent := [package for package in needs if find_spec(package) is None]:
        raise OpsinError(f"--to {to} needs {', '.join(absent)}: pip install 'opsin[{extra}]'")
    for package in needs:
        if package in backends.NEEDS:
            backends.check_backend(package)
