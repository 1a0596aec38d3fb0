"""The trials that are known: one small file each, in a folder that all claims share."""

from pathlib import Path
from typing import Any

from opsin.claims.trials.images import Images
from opsin.claims.trials.trial import Job, Trial, name_of, read


class Store:
    """Trials on some images, by their files."""

    def __init__(self, folder: Path, images: Images):
        self.folder, self.images = folder, images
        self.found: dict[Trial, dict[str, Any]] = {}

    def __call__(self, trial: Trial) -> dict[str, Any] | None:
        """What stands in a trial's file; None where it has not been trained."""
        if trial not in self.found and (found := read(self.file(trial), trial, self.images)):
            self.found[trial] = found
        return self.found.get(trial)

    def file(self, trial: Trial) -> Path:
        return self.folder / name_of(trial, self.images)

    def job(self, trial: Trial) -> Job:
        return Job(trial, self.images, self.file(trial))
