"""Claims about networks that label every pixel."""

from opsin.claims.claim import Claim
from opsin.models import enet

# fmt: off
CLAIMS = (
    Claim(
        "T54", "ENet: most accuracy for a parameter",
        "ENet has more accuracy for each parameter than any other network.",
        "ENet has the highest accuracy per parameter used of any neural network out there", "C", enet.PAPER,
        "CamVid: mean class accuracy 68.3 (SegNet 65.2), mean IoU 51.3 (SegNet 55.6)", "memory",
        "training", "first by mean IoU for a parameter, and with as many parameters at most 2 points of mean IoU below "
                    "the best; the ratio alone favours tiny networks",
        errs="By mean IoU on CamVid it is below SegNet.",
        waits="Waits for Opsin's training of segmentation.",
        full="CamVid at 480 x 360, 300 epochs: about half an hour a seed on a GPU",
    ),
)
