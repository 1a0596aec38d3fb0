"""A bundle: a trained network as a folder of two files that need nothing else.

model.safetensors holds the weights, manifest.json the network's name and arguments, the class names, the preprocessing,
the recipe, the figures, the versions and the hash of the weights.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from opsin import zoo
from opsin.data.preprocess import Preprocess
from opsin.engine.record import versions
from opsin.errors import OpsinError
from opsin.files import MANIFEST, read_manifest, write_folder
from opsin.models.network import Network
from opsin.weights.create import Origin


@dataclass(frozen=True)
class Bundle:
    """A network that was trained, with all that its use takes.

    `origin` is of the weights that it started from, `data` the fingerprint of the images that it was trained on (see
    `opsin.data.scan.Scan`), `folder` where it was read from; `split` how they were divided: `groups` as of
    `opsin.data.load`, `val` as of `opsin.data.divide`.
    """

    net: Network
    model: str
    arguments: dict[str, Any]
    classes: tuple[str, ...]
    preprocess: Preprocess
    recipe: dict[str, Any]
    figures: dict[str, Any]
    origin: Origin | None = None
    data: str | None = None
    folder: Path | None = None
    split: dict[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        manifest = {
            "kind": "opsin bundle",
            "model": self.model,
            "arguments": self.arguments,
            "task": "classify",
            "classes": list(self.classes),
            "preprocess": self.preprocess.to_dict(),
            "recipe": self.recipe,
            "figures": self.figures,
            "origin": self.origin.to_dict() if self.origin else None,
            "data": self.data,
            "split": self.split,
            "versions": versions(),
        }
        write_folder(folder, {"model": self.net.state_dict()}, manifest)

    @classmethod
    def read(cls, folder: Path) -> "Bundle":
        """Reads and verifies a bundle; the network is in evaluation mode, on the CPU.

        Raises:
            OpsinError: no bundle there, or one that is damaged, or that this version does not know.
        """
        if not folder.is_dir():
            raise OpsinError(f"no bundle at {folder}: give a folder such as opsin-runs/…/seed-0/bundle")
        if not (folder / MANIFEST).exists() and (folder / "bundle" / MANIFEST).exists():
            folder = folder / "bundle"  # a run's folder
        try:
            manifest = read_manifest(folder)
        except ValueError as error:
            raise OpsinError(f"not a whole bundle: {error}") from None
        if manifest.get("kind") != "opsin bundle":
            raise OpsinError(f"{folder} is no bundle: its manifest.json says kind {manifest.get('kind')!r}")
        try:
            net = zoo.build_model(manifest["model"], **manifest["arguments"])
            net.load_state_dict(load_file(folder / "model.safetensors"))
            origin = manifest.get("origin")
            return cls(
                net.eval(),
                manifest["model"],
                manifest["arguments"],
                tuple(manifest["classes"]),
                Preprocess.from_dict(manifest["preprocess"]),
                manifest["recipe"],
                manifest["figures"],
                Origin.from_dict(origin) if origin else None,
                manifest.get("data"),
                folder,
                manifest.get("split") or {},
            )
        except (KeyError, TypeError, RuntimeError) as error:
            raise OpsinError(f"cannot use the bundle {folder}: {' '.join(str(error).split())[:300]}") from None
