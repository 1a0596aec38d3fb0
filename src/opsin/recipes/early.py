"""1989 to 2013: one image a step, then batches on graphics cards."""

from opsin.data.augment import Elastic, Flip, Lighting, RandomCrop, Shift
from opsin.engine.optimizers import SGD, DiagonalLM
from opsin.engine.schedules import Constant, Exponential, Levels, Plateau, Steps
from opsin.recipes.entry import Era, early

# fmt: off
ERAS = (
    Era(early(
        "lenet1989", epochs=23, batch_size=1, optimizer=DiagonalLM(mu=0.02, samples=500), learning_rate=2e-4,
        weight_decay=0.0, schedule=Constant(), augment="none", loss="squared",
    ), 1989, "LeCun, Boser, Denker, Henderson, Howard, Hubbard, Jackel, Neural Computation 1(4), sections 4 and 5",
        "23 passes through 7,291 zip code digits, one a step; mean squared error of outputs squashed by a scaled "
        "hyperbolic tangent; a positive, diagonal approximation of the Hessian sets the rate of each weight.",
        "How the Hessian is estimated: the method of 1998 with its mu. The rate: 2e-4, between 1.5e-4 and 4e-4, which "
        "do alike on training digits held out; 1e-3 does not learn.",
        "The curvatures are estimated anew before each pass.", images=7_291),
    Era(early(
        "lenet5", epochs=20, batch_size=1, optimizer=DiagonalLM(mu=0.02, samples=500), learning_rate=5e-4,
        weight_decay=0.0, schedule=Levels((2 / 20, 5 / 20, 8 / 20, 12 / 20), (0.4, 0.2, 0.1, 0.02)), augment="none",
        loss="map",
    ), 1998, "LeCun, Bottou, Bengio, Haffner, Proc. IEEE 86(11), section III.B, equation 9, appendix C",
        "20 passes, one image a step; rates 5e-4 for two passes, 2e-4 for three, 1e-4 for three, 5e-5 for four, then "
        "1e-5, each divided by 0.02 + curvature, which is estimated on 500 images before each pass; the criterion of "
        "maximum a posteriori probability with a class of rubbish.",
        "",
        "The curvature is the exact diagonal of Gauss-Newton in expectation; the paper neglects what units of a layer "
        "share. Equation 9 is divided by the 84 units that it sums over: without that the printed rates saturate the "
        "network. Pixels have mean 0 and deviation 1, not -0.1 for the background and 1.175 for ink. The run with "
        "540,000 distorted digits (0.8 %) is not this one.", images=60_000),
    Era(early(
        "ciresan_2010", epochs=800, batch_size=1, optimizer=SGD(momentum=0.0), learning_rate=1e-3, weight_decay=0.0,
        schedule=Exponential(factor=(1e-6 / 1e-3) ** (1 / 800), times=800),
        augment=(Elastic(sigma=5.5, alpha=37.0, rotation=15.0, scaling=0.16),),
    ), 2010, "Ciresan, Meier, Gambardella, Schmidhuber, arXiv:1003.0358, sections 2 and 3",
        "Up to 800 epochs, one image a step, no momentum; the rate shrinks by a constant factor after every epoch, "
        "from 1e-3 to 1e-6; all digits are deformed anew in every epoch: elastic with sigma 5 to 6 and alpha 36 to 38, "
        "turned by 15 degrees at most, scaled by 15 to 17.5 %.",
        "The middle of each range.",
        "The digits 1 and 7 are turned like all others, not half as far.", images=60_000),
    Era(early(
        "multiscale", epochs=20, batch_size=1, optimizer=SGD(momentum=0.0), learning_rate=1e-3, weight_decay=0.0,
        schedule=Exponential(0.8, 20),
        augment=(Elastic(sigma=1.0, alpha=0.0, rotation=15.0, scaling=0.1), Shift(2, pad="edge")),
    ), 2011, "Sermanet and LeCun, IJCNN 2011, section III",
        "Traffic signs turned by at most 15 degrees, scaled by 0.9 to 1.1 and moved by at most 2 px; five jittered "
        "copies of each.",
        "All of the optimizer: one image a step at 1e-3, falling by a fifth a pass; 20 passes.",
        "Every pass jitters anew, instead of five fixed copies. The contrast normalisation of Y is left out.",
        images=39_209),
    Era(early(
        "alexnet", epochs=90, batch_size=128, optimizer=SGD(0.9), learning_rate=0.01, weight_decay=5e-4,
        schedule=Plateau(times=3), augment=(RandomCrop(central=True), Flip(), Lighting(0.1)),
    ), 2012, "Krizhevsky, Sutskever, Hinton, NIPS 2012, sections 2, 4.1 and 5",
        "Batches of 128, momentum 0.9, decay 5e-4; 0.01, divided by ten by hand three times when the validation error "
        "stalled; roughly 90 cycles; the central 256 px square of an image, 224 px at random of it, mirrored; "
        "multiples of the principal components of RGB with deviation 0.1.",
        "By hand becomes: after 6 % of the epochs without a lower validation loss.",
        "Two GPUs are one. A crop's place is not a whole pixel."),
    Era(early(
        "nin_cifar", epochs=300, batch_size=128, optimizer=SGD(0.9), learning_rate=0.1, weight_decay=1e-4,
        schedule=Plateau(times=2), augment=(Shift(4, flip=True),),
    ), 2013, "Lin, Chen, Yan, arXiv:1312.4400, section 4",
        "Batches of 128; the rate is divided by ten when the training accuracy stalls, twice, so that it ends at one "
        "percent; moves and mirror images (8.81 %).",
        "Rate, momentum, decay and epochs, which are not printed.",
        "Validation loss decides, not training accuracy. Images are normalised by mean and deviation: no global "
        "contrast normalisation, no ZCA whitening.", images=50_000),
    Era(early(
        "nin", epochs=90, batch_size=128, optimizer=SGD(0.9), learning_rate=0.01, weight_decay=5e-4,
        schedule=Plateau(times=2), augment=(RandomCrop(), Flip()),
    ), 2013, "Lin, Chen, Yan, arXiv:1312.4400, section 4, for the network that its author gave to the Caffe model zoo",
        "Nothing for ImageNet: the procedure is that for CIFAR.",
        "Rate, decay, crops and epochs of AlexNet."),
    Era(early(
        "overfeat", epochs=90, batch_size=128, optimizer=SGD(0.6), learning_rate=0.05, weight_decay=1e-5,
        schedule=Steps((30 / 90, 50 / 90, 60 / 90, 70 / 90, 80 / 90), factor=0.5),
        augment=(RandomCrop(256 / 221, 256 / 221), Flip()),
    ), 2013, "Sermanet, Eigen, Zhang, Mathieu, Fergus, LeCun, arXiv:1312.6229, section 3.1",
        "Batches of 128, momentum 0.6, decay 1e-5; 0.05, halved after 30, 50, 60, 70 and 80 epochs; short side 256 px, "
        "221 px at random, mirrored.",
        "90 epochs in all.",
        "One crop of an image in an epoch, not five."),
)
# fmt: on
