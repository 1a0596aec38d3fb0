"""A network as a program of torch.export, which runs where PyTorch is, without Opsin."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from opsin.export import verify
from opsin.export.about import ABOUT, path_in_python

FILE = "model.pt2"
RUNS_WITH = "torch"
NEEDS, EXTRA = (), ""
load = verify.pt2


@torch.no_grad()
def write(net: nn.Module, images: Tensor, file: Path, facts: dict[str, Any], calibration: np.ndarray | None) -> None:
    """Writes one file, which holds the facts as its extra file opsin.json.

    Args:
        images: two or more inputs, as the network takes them.
    """
    any_number = ({0: torch.export.Dim("n", min=1)},)
    program = torch.export.export(net.eval(), (images,), dynamic_shapes=any_number)
    buffer = io.BytesIO()  # on a full disk PyTorch's own writer ends the process
    torch.export.save(program, buffer, extra_files={ABOUT: json.dumps(facts, ensure_ascii=False)})
    file.write_bytes(buffer.getbuffer())


def how_to_run(file: Path) -> list[str]:
    """Lines of Python from an input `x` to the name of its class; RUNS_WITH is what they import."""
    return [
        f'about = {{"{ABOUT}": ""}}',
        f"net = torch.export.load({path_in_python(file)}, extra_files=about).module()",
        f'print(json.loads(about["{ABOUT}"])["classes"][net(torch.tensor(x))[0].argmax()])',
    ]
