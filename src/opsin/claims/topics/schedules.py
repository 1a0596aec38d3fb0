"""Claims about how networks are trained: the learning rate over time, and the batch."""

from opsin.claims.claim import Claim
from opsin.claims.topics.papers import MISHKIN

# fmt: off
CLAIMS = (
    Claim(
        "T43", "Let the rate fall linearly",
        "The learning rate should fall linearly.",
        "use the linear learning rate decay policy", "AC", MISHKIN,
        "CaffeNet at 128 px, one seed, top-1: steps .471, square root .483, square .483, linear .493; half as long "
        ".466; with batch norm steps .527, linear .496", "paper",
        "training", "less error than steps, and at most 0.3 points more than a cosine",
        waits="No test yet.",
        full="CIFAR-10",
    ),
    Claim(
        "T45", "Batches of 128 or 256, the rate in proportion",
        "Batches of 128 or 256 are good; for smaller ones the rate should fall in proportion.",
        "mini-batch size around 128 or 256 ... decrease the learning rate proportionally", "AC", MISHKIN,
        "CaffeNet at 128 px, one seed, top-1: 1,024 .419, with four times the rate .465; 512 .455 and .469; 256 .471; "
        "64 .471; 32 .463 and .470; 1 .474", "paper",
        "training", "with the rate in proportion all batches up to 256 lie within a point, and farther apart without",
        waits="No test yet.",
        full="CIFAR-10",
    ),
)
