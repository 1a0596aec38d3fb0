"""Claims about depth: what trains and what fails."""

from opsin.claims.claim import Claim
from opsin.claims.experiments import depth
from opsin.models import ciresan_mlp, fractalnet, resnet, vgg

# fmt: off
CLAIMS = (
    Claim(
        "T58", "Networks of nine layers by GPU",
        "GPUs made networks of up to nine layers trainable.",
        "neural networks of up to 9 layers ... GPU", "ACD", ciresan_mlp.PAPER,
        "Fully connected: 2500-2000-1500-1000-500-10 has 0.35 % on MNIST with elastic deformations; nine layers of "
        "1,000 are tried, too.", "memory",
        "training", "deformed images lower the test error, at every depth from two to nine layers",
        errs="The networks are fully connected; what gains is the deformation, not the depth.",
        waits="No test yet: deformed images belong to MNIST's size and take long on a processor.",
        full="MNIST",
    ),
    Claim(
        "T13", "VGG had to be grown layer by layer",
        "VGG's networks were so hard to train that they had to be grown from smaller ones.",
        "training of these network was difficult, and had to be split into smaller networks with layers added one by "
        "one",
        "ACD", vgg.PAPER,
        "Network A, of 11 layers, starts from N(0, 0.01); its layers start the deeper ones. The paper adds that "
        "Glorot's initialisation makes this unnecessary (section 3.1).", "memory",
        "training", "from N(0, 0.01) two of ten train at most, from network A eight at least; \"had to\" does not hold "
                    "where He's initialisation trains eight at least",
        errs="The articles blame missing regularisation; the paper's cause is the initialisation.",
        waits="No test yet.",
        full="CIFAR-10",
    ),
    Claim(
        "T24", "More layers can raise the training error",
        "Layers added to a plain deep network can make even its training error worse.",
        "added 100 new convolution layers on top ... the training accuracy of the model could go down",
        "E", resnet.PAPER,
        "ImageNet: 27.94 % with 18 plain layers, 28.54 % with 34; on CIFAR-10 the training error rises from 20 to 56 "
        "layers.", "memory",
        "training", "the deeper plain network has a training error higher by a point, interval above 0, and its "
                    "residual twin surely has not; partly if it is less, or only the first",
        experiment=depth.DEPTH,
        trains=60.0,
        full="CIFAR-10",
    ),
    Claim(
        "T25", "Hundreds of layers for the first time",
        "ResNet was the first network of over a hundred, even a thousand layers that was trained.",
        "very first time that a network of > hundred, even 1000 layers was trained", "ACDE", resnet.PAPER,
        "CIFAR-10: 6.43 % with 110 layers, 7.93 % with 1,202 (table 6)", "paper",
        "training", "110 layers train to a training error below 1 %, interval below it: partly, since they were not "
                    "the first; else not here where the interval lies above",
        errs="Highway networks of hundreds of layers were trained half a year earlier.",
        experiment=depth.HUNDRED,
        trains=25.0,
        full="CIFAR-10 with 110 and 1,202 layers",
    ),
    Claim(
        "T27", "Gradients flow through the shortcuts",
        "Shortcuts let gradients pass a deep network undiminished.",
        "gradients can directly flow through these shortcut paths", "E", resnet.IDENTITY_MAPPINGS,
        "An argument by formula; no figure.", "memory",
        "training", "from the first to the last layer the gradient's norm changes less than tenfold with shortcuts and "
                    "more without, from 50 layers on",
        waits="No test yet: it reads gradients of every layer.",
    ),
    Claim(
        "T55", "FractalNet is a ResNet, not tried on ImageNet",
        "FractalNet is a derivative of ResNet and was not tested on ImageNet.",
        "not tested on ImageNet, and is a derivative or the more general ResNet", "ACD", fractalnet.PAPER,
        "CIFAR and SVHN at first; the version of 2017 has ImageNet, 34 layers at the level of ResNet-34.", "paper",
        "training", "the deepest column of a fractal network trains where its plain twin fails",
        errs="It was tested on ImageNet in 2017, and its title says without residuals.",
        waits="No test yet.",
    ),
)
