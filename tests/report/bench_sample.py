"""A bench that was never run: times made of operations and activations, so that pages can be tried."""

from functools import cache

from opsin import zoo
from opsin.bench.cell import Bench, Options, Row, cells, published

MACHINE = {
    "cpu": "A made-up processor", "cores": 2, "memory_gb": 16.0, "device": "cpu", "gpu": None, "os": "Linux",
    "python": "3.11", "torch": "2.15.0", "opsin": "0.1.0", "threads": 2, "precision": "float32",
}  # fmt: skip


@cache
def made(models=None, power=False):
    """Rows of `models` (all that have a printed error), at the page's batches."""
    rows = []
    for cell in cells(models or published(), None, threads=2):
        card = zoo.card(cell.model)
        activations = card.macs // 300 + 2_000_000
        ms = cell.batch * (card.macs / 4e7 + activations / 4e5) + 4e-8 * card.params * 10
        watts = 40.0 + len(cell.model) % 7 if power else None
        memory = 4 * card.params + cell.batch * activations * 3
        row = Row(
            cell, "ok", card.params, card.macs, activations, p50=ms, p95=1.1 * ms, runs=60, spread=0.004,
            blocks=(ms, 1.002 * ms, 1.004 * ms), others=0.01, load=1.0, memory=memory, predicted=memory, fits=900,
            watts=watts, joules=watts and watts * ms / 1e3 / cell.batch,
        )  # fmt: skip
        rows.append(row)
    return Bench(MACHINE, Options(power=power), tuple(rows), (), "" if power else "not asked for (--power)")
