"""What the steps of one comparison share."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opsin.compare.plan import Plan
from opsin.compare.request import Request
from opsin.data.preprocess import Preprocess
from opsin.data.scan import Scan
from opsin.data.split import Split
from opsin.launch.local import Pool
from opsin.training.entry import Entry
from opsin.watch import Watch


@dataclass(frozen=True)
class Setting:
    """The request and its images, the folder, and who works and watches."""

    request: Request
    folder: Path
    scanned: Scan
    divided: Split
    pool: Pool
    watch: Watch

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def table(self) -> Path:
        return self.cache / "table.npz"

    def images(self, preprocess: Preprocess) -> Path:
        """The file of all images as they are before normalisation."""
        p = preprocess
        return self.cache / f"images-{p.channels}x{p.size}-{p.resize or 'whole'}-{p.fit}-{p.interpolation}.npy"

    def counts(self) -> tuple[int, int, int]:
        """Images of the training, validation and test part."""
        train, val, test = (len(self.divided.rows(part)) for part in ("train", "val", "test"))
        return train, val, test

    def preprocess(self, plan: Plan, entry: Entry) -> Preprocess:
        """How an entry's images are made."""
        return entry.preprocess(plan.size_of(entry), self.scanned.channels)

    def arguments(self, plan: Plan, entry: Entry) -> dict[str, Any]:
        """Of the network, as it is built for these images, and as its own recipe says."""
        built = entry.arguments(len(self.scanned.source.classes), self.scanned.channels, plan.size_of(entry))
        return built | (plan.recipe_of(entry).arguments if entry.start != "probe" else {})
