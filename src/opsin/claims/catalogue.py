"""The claims by their ids. One explicit registry, `TOPICS`."""

from opsin.claims.claim import Claim
from opsin.claims.topics import (
    activations,
    alexnet,
    analysis,
    attention,
    bottlenecks,
    depth,
    fields,
    images,
    inception,
    kernels,
    latency,
    lenet,
    mobile,
    modules,
    normalisation,
    pooling,
    regularisation,
    residual,
    schedules,
    segmentation,
    shortcuts,
    transformers,
    vgg,
)
from opsin.errors import unknown

TOPICS = (
    *(lenet, alexnet, vgg, fields, bottlenecks, inception, residual, mobile, attention, latency, analysis),
    *(activations, regularisation, normalisation, depth, shortcuts, pooling, kernels, modules, images, schedules),
    *(transformers, segmentation),
)
"""The modules that hold claims; each has its CLAIMS."""

CLAIMS: dict[str, Claim] = {
    claim.id: claim for claim in sorted((c for topic in TOPICS for c in topic.CLAIMS), key=lambda c: (c.year, c.id))
}
"""All of them, oldest paper first."""


def claim(id: str) -> Claim:
    """The claim of an id (X04, x04, X4), or "modules". Raises OpsinError with the nearest where there is none."""
    if id.lower() == modules.RANKS.id:
        return modules.RANKS
    whole = f"{id[:1].upper()}{id[1:]:0>2}"
    if whole not in CLAIMS:
        raise unknown("claim", id, [*CLAIMS, modules.RANKS.id])
    return CLAIMS[whole]
