"""The other way: our trained weights as a file of another library, with its names."""

import json
from pathlib import Path

import torch
from torch import Tensor

from opsin import zoo
from opsin.bundle import Bundle
from opsin.engine.checkpoint import flush
from opsin.errors import OpsinError
from opsin.models.network import Network
from opsin.weights import catalogue
from opsin.weights.public import Keys


def export_tensors(net: Network, keys: Keys) -> dict[str, Tensor]:
    """The network's tensors by another library's names and in its layouts."""
    theirs = {}
    for ours, tensor in net.state_dict().items():
        theirs |= {keys.theirs(ours): keys.to_theirs(ours, tensor)} | keys.beside(ours, tensor)
    return theirs
