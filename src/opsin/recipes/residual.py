"""2014 to 2017: deeper and deeper, by plain gradient descent with momentum."""

from opsin.data.augment import AreaCrop, Flip, Jitter, Lighting, RandomCrop, Shift
from opsin.engine.optimizers import SGD, Adam
from opsin.engine.recipe import Recipe
from opsin.engine.schedules import Exponential, Levels, Plateau, Polynomial, Steps
from opsin.recipes.entry import Era, early

SCALED = (RandomCrop(256 / 224, 480 / 224), Flip(), Lighting(0.1))
CIFAR = (Shift(4, flip=True),)
HE = {"optimizer": SGD(0.9), "learning_rate": 0.1, "weight_decay": 1e-4, "decay_all": True}
WARM = Levels((0.0, 400 / 64_000, 0.5, 0.75), (0.1, 1.0, 0.1, 0.01))


def he(name: str, **values) -> Recipe:
    """The numbers that all ResNets share: rate 0.1, momentum 0.9, decay 1e-4 of all parameters."""
    return early(name, **(HE | values))


# fmt: off
ERAS = (
    Era(early(
        "alexnet_owt", epochs=90, batch_size=128, optimizer=SGD(0.9), learning_rate=0.01, weight_decay=5e-4,
        schedule=Exponential(250 ** (-1 / 3), 4), augment=(RandomCrop(), Flip()),
    ), 2014, "Krizhevsky, arXiv:1404.5997, section 5, and the configuration released with it",
        "Batches of 128 on one GPU, momentum 0.9, decay 5e-4; 0.01 falls to a 250th in four steps; 224 px out of 256, "
        "mirrored; 90 epochs.",
        "",
        "One GPU, so that no layer has another batch. Softmax, not 1,000 logistic units. Biases at the rate of all."),
    Era(early(
        "vgg", epochs=74, batch_size=256, optimizer=SGD(0.9), learning_rate=0.01, weight_decay=5e-4,
        schedule=Plateau(times=3), augment=(RandomCrop(256 / 224, 512 / 224), Flip(), Lighting(0.1)),
        start_from="vgg11",
    ), 2014, "Simonyan and Zisserman, arXiv:1409.1556, section 3",
        "Batches of 256, momentum 0.9, decay 5e-4; 0.01, divided by ten when validation stalled, three times; 370,000 "
        "steps, 74 epochs; short side from 256 to 512 px, 224 px at random, mirrored, RGB shifted; networks deeper "
        "than A (11 layers) begin with the first four convolutions and the fully connected layers of a trained A.",
        "By hand becomes: after 6 % of the epochs without a lower validation loss. Each layer of A goes to the next "
        "one of its shape.",
        "Scales vary from the start, not after a training at 384 px. With batch norm, which the paper does not have, "
        "nothing is taken from A."),
    Era(he("resnet", epochs=120, batch_size=256, schedule=Plateau(times=3), augment=SCALED),
        2015, "He, Zhang, Ren, Sun, arXiv:1512.03385, section 3.4",
        "Batches of 256, momentum 0.9, decay 1e-4; 0.1, divided by ten when the error stalls; up to 600,000 steps, "
        "which is 120 epochs; short side from 256 to 480 px, 224 px at random, mirrored; colours as AlexNet.",
        "Three times at most, each after 6 % of the epochs without a lower validation loss.",
        "The mean is taken off by channel, not by pixel."),
    Era(he("resnet_cifar", epochs=164, batch_size=128, schedule=Steps((0.5, 0.75)), augment=CIFAR),
        2015, "He, Zhang, Ren, Sun, arXiv:1512.03385, section 4.2",
        "Batches of 128; 0.1, divided by ten after 32,000 and 48,000 of 64,000 steps, which are 164 epochs of 50,000 "
        "images (182 of the 45,000 that the schedule was chosen on); moved by at most 4 px over zeros, mirrored.",
        images=50_000),
    Era(he("resnet110_cifar", epochs=164, batch_size=128, schedule=WARM, augment=CIFAR),
        2015, "He, Zhang, Ren, Sun, arXiv:1512.03385, section 4.2, for 110 layers and more",
        "As resnet_cifar, after 0.01 until the training error is below 80 %, about 400 steps.",
        departs="400 of 64,000 steps, whatever the error. The network of 1,202 layers has this warm-up, too.",
        images=50_000),
    Era(he("preact_resnet", epochs=90, batch_size=256, schedule=Steps((30 / 90, 60 / 90)), augment=SCALED),
        2016, "He, Zhang, Ren, Sun, arXiv:1603.05027, section 5 and the footnotes of table 5",
        "As ResNet in 90 epochs, divided by ten after 30 and 60; no warm-up.",
        departs="The last rows of table 5 crop by area and ratio."),
    Era(he("preact_resnet_cifar", epochs=164, batch_size=128, schedule=WARM, augment=CIFAR),
        2016, "He, Zhang, Ren, Sun, arXiv:1603.05027, appendix",
        "Batches of 128; 0.01 for 400 steps, then 0.1, divided by ten after 32,000 and 48,000 of 64,000 steps; moves "
        "and mirror images alone.", images=50_000),
    Era(early(
        "squeezenet", epochs=68, batch_size=512, accumulate=16, optimizer=SGD(0.9), learning_rate=0.04,
        weight_decay=2e-4, schedule=Polynomial(1.0), augment=(RandomCrop(256 / 227, 256 / 227, central=True), Flip()),
    ), 2016, "Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer, arXiv:1602.07360, section 3.3, and the released solver",
        "0.04, falling on a straight line to zero; in the solver 170,000 steps of 16 times 32 images, which is 68 "
        "epochs, momentum 0.9, decay 2e-4; 227 px out of 256, mirrored."),
    Era(early(
        "fractalnet", epochs=70, batch_size=32, optimizer=SGD(0.9), learning_rate=0.001, weight_decay=0.0,
        schedule=Steps((1 / 2, 3 / 4, 7 / 8, 15 / 16)), augment=(RandomCrop(256 / 224, 480 / 224), Flip()),
    ), 2016, "Larsson, Maire, Shakhnarovich, arXiv:1605.07648, section 4",
        "ImageNet: 70 epochs, batches of 32, momentum 0.9; 0.001, divided by ten whenever the epochs left have halved.",
        "Four times; crops as ResNet."),
    Era(early(
        "fractalnet_cifar", epochs=400, batch_size=100, optimizer=SGD(0.9), learning_rate=0.02, weight_decay=0.0,
        schedule=Steps((1 / 2, 3 / 4, 7 / 8, 15 / 16)), augment=CIFAR,
    ), 2016, "Larsson, Maire, Shakhnarovich, arXiv:1605.07648, section 4",
        "400 epochs, batches of 100, momentum 0.9; 0.02, divided by ten whenever the epochs left have halved; moves "
        "and mirror images; dropout and drop-path stand on the network.",
        "Four times.", images=50_000),
    Era(early(
        "enet", epochs=300, batch_size=10, optimizer=Adam(), learning_rate=5e-4, weight_decay=2e-4, decay_all=True,
        schedule=Steps((1 / 3, 2 / 3)), augment="none", balance="weights",
    ), 2016, "Paszke, Chaurasia, Kim, Culurciello, arXiv:1606.02147, section 5.1, and the released code",
        "Adam at 5e-4, decay 2e-4, batches of 10; classes weighted by 1 / ln(1.02 + share); the encoder first. In the "
        "code 300 epochs, divided by ten after every 100.",
        "",
        "Weights by the inverse of a class's share. One stage: the encoder alone, or all of it.", images=367),
    Era(he(
        "densenet", epochs=90, batch_size=256, optimizer=SGD(0.9, nesterov=True),
        schedule=Steps((30 / 90, 60 / 90)), augment=(AreaCrop(), Flip(), Jitter(), Lighting(0.1)),
    ), 2016, "Huang, Liu, van der Maaten, Weinberger, arXiv:1608.06993, section 4.2",
        "90 epochs, batches of 256, 0.1, divided by ten after 30 and 60; Nesterov's momentum 0.9, decay 1e-4; images "
        "as in Facebook's ResNets: crops by area, colours, lighting."),
    Era(he(
        "densenet_cifar", epochs=300, batch_size=64, optimizer=SGD(0.9, nesterov=True), schedule=Steps((0.5, 0.75)),
        augment=CIFAR,
    ), 2016, "Huang, Liu, van der Maaten, Weinberger, arXiv:1608.06993, sections 4.1 and 4.2",
        "300 epochs, batches of 64, 0.1, divided by ten after half and three quarters of them; Nesterov's momentum "
        "0.9, decay 1e-4; moves and mirror images. Without these, dropout of 0.2: --set arguments.dropout=0.2.",
        images=50_000),
    Era(he(
        "senet", epochs=100, batch_size=1024, accumulate=4, learning_rate=0.6, schedule=Steps((0.3, 0.6, 0.9)),
        augment=(AreaCrop(), Flip()),
    ), 2017, "Hu, Shen, Albanie, Sun, Wu, arXiv:1709.01507, section 5.1 and appendix",
        "100 epochs, batches of 1,024, momentum 0.9; 0.6, divided by ten every 30 epochs; crops by area, mirrored. "
        "SENet-154 has label smoothing of 0.1.",
        "Decay 1e-4, as ResNet.",
        "SENet-154 does not freeze batch norm for the last epochs."),
)
# fmt: on
