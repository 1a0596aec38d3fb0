"""Claims about vision transformers, 2020, and about the convolutional network that learned from them, 2022."""

from opsin.claims.claim import Claim
from opsin.models import convnext, vit

# fmt: off
CLAIMS = (
    Claim(
        "T38", "Transformers win with massive training",
        "Inductive biases help on small data sets; with massive training a transformer is better without.",
        "Inductive biases are great on smaller datasets, but ... massive training", "E", vit.PAPER,
        "Trained on ImageNet a ViT is below a ResNet (BiT), trained on 300 million images above it (figure 3).",
        "memory",
        "training", "a convolutional network of as many products has less error at every number of images here; where "
                    "the lines would cross is not reached",
        errs="To beat convolutional networks it was trained on 14 to 300 million images.",
        waits="No test yet: it needs the 50,000 images of CIFAR-10 and a GPU.",
        full="CIFAR-10, 100 epochs, five seeds: about an hour on an H100",
    ),
    Claim(
        "T40", "ConvNeXt, step by step",
        "GELU, layer norms and other changes, one after another, make a ResNet a ConvNeXt.",
        "GELU activations, layer norms instead of batch norms, and more", "E", convnext.PAPER,
        "top-1: 76.1, recipe 78.8, stages 79.4, patches 79.5, depthwise 78.3, width 80.5, inverted 80.6, order 79.9, "
        "7x7 80.6, GELU 80.6, fewer activations 81.3, fewer norms 81.4, layer norm 81.5, downsampling 82.0", "memory",
        "training", "our steps gain in the paper's order (Spearman of the sums over 0.6)",
        errs="The largest single gain, 2.7 points, is the recipe's, of which the article does not speak.",
        waits="No test yet: thirteen networks with five seeds each need a GPU.",
        full="CIFAR-10, 30 epochs, five seeds: about two hours on an H100",
    ),
)
