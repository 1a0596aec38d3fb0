from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Path]


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Writes a picture of its own into tmp_path for each path that it is given, and returns tmp_path."""
    drawn = 0

    def write(*paths: str, size: tuple[int, int] = (6, 5), colour: bool = False) -> Path:
        nonlocal drawn
        for path in paths:
            drawn += 1
            shape = (size[1], size[0], 3) if colour else (size[1], size[0])
            pixels = np.random.default_rng(drawn).integers(0, 256, shape).astype(np.uint8)
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(tmp_path / path)
        return tmp_path

    return write
