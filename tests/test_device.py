"""Where a run computes: seeding one device."""

import pytest
import torch

from opsin.device import reseed


@pytest.mark.parametrize("seed", [0, 7, 2**63, 2**64 - 1])
def test_reseeding_gives_the_numbers_of_torchs_own(seed):
    torch.manual_seed(seed)
    expected = torch.rand(5)
    reseed(torch.device("cpu"), seed)
    assert torch.equal(torch.rand(5), expected)


def test_reseeding_the_cpu_asks_no_other_device(monkeypatch):
    def asked(seed):
        raise AssertionError(seed)

    for module in (torch.cuda, torch.mps, torch.xpu):
        monkeypatch.setattr(module, "manual_seed_all" if hasattr(module, "manual_seed_all") else "manual_seed", asked)
    reseed(torch.device("cpu"), 3)
