"""Memory against PyTorch's own allocator, and latency's plain promises."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from opsin import zoo
from opsin.costs.count import count, count_model
from opsin.costs.measure import latency, training_memory
from opsin.errors import OpsinError


def allocated_peak(net, images, labels):
    """The peak of the CPU allocator in one forward and backward pass, from the profiler's log of every allocation."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as prof:
        torch.nn.functional.cross_entropy(net(images), labels).backward()
    live = peak = 0
    events = prof.profiler.kineto_results.events()
    for event in sorted((e for e in events if e.name() == "[memory]"), key=lambda e: e.start_ns()):
        live += event.nbytes()
        peak = max(peak, live)
    return peak


@pytest.mark.parametrize("name", ["resnet20_cifar", "vgg_32"])
def test_memory_is_what_the_allocator_saw(name):
    size, batch = 16, 32
    with torch.device("meta"):
        counted = training_memory(zoo.build_model(name, num_classes=10, in_chans=1, input_size=size), 1, size, batch)
    net = zoo.build_model(name, num_classes=10, in_chans=1, input_size=size)
    images, labels = torch.zeros(batch, 1, size, size), torch.zeros(batch, dtype=torch.long)
    parameters = sum(p.nbytes for p in net.parameters())
    state = 3 * parameters + sum(b.nbytes for b in net.buffers()) + images.nbytes + labels.nbytes
    assert counted == pytest.approx(state + allocated_peak(net, images, labels), rel=0.1)


def test_latency_is_measured_in_evaluation_and_leaves_the_threads_alone():
    net = zoo.build_model("lenet1989")
    threads = torch.get_num_threads()
    found = latency(net, 1, 16, torch.device("cpu"), seconds=0.05)
    assert 0 < found.p50 <= found.p95
    assert 10 <= found.runs <= 200
    assert torch.get_num_threads() == threads


def test_an_operator_that_is_not_known_is_an_error():
    class Odd(torch.nn.Module):
        def forward(self, x):
            return torch.linalg.inv(x)

    with pytest.raises(OpsinError, match="does not know the operator"):
        count(Odd().to("meta"), 1, 4)


def test_layers_add_up_by_hand():
    counted = count_model("resnet20_cifar")
    assert counted.by_layer["conv1"] == 32 * 32 * 16 * 3 * 9
    assert counted.by_layer["fc"] == 640
    assert sum(counted.by_layer.values()) == counted.macs == counted.executed
