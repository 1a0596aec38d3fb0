"""2014 to 2018: GoogLeNet, its descendants and the MobileNets, trained by many replicas at once; here by one."""

from opsin.data.augment import AreaCrop, Flip, Jitter
from opsin.engine.average import EMA, Polyak
from opsin.engine.optimizers import SGD, RMSProp
from opsin.engine.schedules import Exponential
from opsin.recipes.entry import Era, early

ONE_REPLICA = "One replica for many that update the weights without waiting for each other."
PIXELS = (AreaCrop(), Flip(), Jitter())

# fmt: off
ERAS = (
    Era(early(
        "googlenet", epochs=768, batch_size=32, optimizer=SGD(0.9), learning_rate=0.0015, weight_decay=2e-4,
        schedule=Exponential(0.96, 96), average=Polyak(0.1), aux_weight=0.3, augment=PIXELS,
    ), 2014, "Szegedy, Liu, Jia, Sermanet and others, arXiv:1409.4842, sections 5 and 6; Ioffe and Szegedy 2015",
        "Momentum 0.9, 4 % off the rate every 8 epochs, Polyak averaging; heads count 0.3; crops of 8 to 100 % of the "
        "area with sides from 3:4 to 4:3, photometric distortions. The paper of 2015 says of a near twin: batch 32, "
        "rate 0.0015, 31 million steps, which is 774 epochs.",
        "768 epochs are 96 times 8. Decay; the average is over the last tenth; mirror images.",
        f"{ONE_REPLICA} One interpolation, not random ones."),
    Era(early(
        "bn_inception", epochs=150, batch_size=32, optimizer=SGD(0.9), learning_rate=0.045, weight_decay=4e-5,
        schedule=Exponential(0.96, 112), augment=(AreaCrop(), Flip(), Jitter(0.2, 0.2, 0.2)),
    ), 2015, "Ioffe and Szegedy, arXiv:1502.03167, sections 4.2.1 and 4.2.2, BN-x30 of figure 3",
        "Batch 32, rate 0.045 (30 times that of GoogLeNet), which falls six times as fast: 4 % every 8/6 epochs; no "
        "dropout, a fifth of the decay, less photometric distortion; 74.8 % after 6 million steps (150 epochs).",
        "Momentum, and what a fifth of the decay and less distortion are: 0.9, 4e-5, half of ours for GoogLeNet.",
        ONE_REPLICA),
    Era(early(
        "inception_v3", epochs=100, batch_size=32, optimizer=RMSProp(0.9, 0.0, 1.0), learning_rate=0.045,
        weight_decay=4e-5, schedule=Exponential(0.94, 50), clip_norm=2.0, label_smoothing=0.1, average=EMA(0.0025),
        aux_weight=0.4, augment=PIXELS,
    ), 2015, "Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, arXiv:1512.00567, sections 7 and 8; decay: Chollet 2016",
        "50 replicas with batches of 32, 100 epochs; RMSProp with decay 0.9 and epsilon 1.0; 0.045, times 0.94 every "
        "two epochs; gradients clipped at 2.0; smoothing 0.1; a running average of the weights is evaluated. Decay "
        "4e-5 (Xception's paper, section 4.3).",
        "The average fades by 0.9999 a step as in the released code: a horizon of 0.0025 of 4 million steps. The "
        "auxiliary head counts 0.4. Crops and colours as GoogLeNet.",
        ONE_REPLICA),
    Era(early(
        "inception_v4", epochs=160, batch_size=32, optimizer=RMSProp(0.9, 0.0, 1.0), learning_rate=0.045,
        weight_decay=4e-5, schedule=Exponential(0.94, 80), label_smoothing=0.1, average=EMA(0.0016), augment=PIXELS,
    ), 2016, "Szegedy, Ioffe, Vanhoucke, Alemi, arXiv:1602.07261, section 4",
        "20 replicas; RMSProp with decay 0.9 and epsilon 1.0; 0.045, times 0.94 every two epochs; a running average of "
        "the weights is evaluated.",
        "Batch, decay, smoothing, average, crops and colours as Inception-v3; 160 epochs, about where the figures end.",
        ONE_REPLICA),
    Era(early(
        "xception", epochs=100, batch_size=1920, accumulate=60, optimizer=SGD(0.9), learning_rate=0.045,
        weight_decay=1e-5, schedule=Exponential(0.94, 50), average=Polyak(0.1), augment=PIXELS,
    ), 2016, "Chollet, arXiv:1610.02357, sections 4.2 to 4.5",
        "Momentum 0.9; 0.045, times 0.94 every two epochs; decay 1e-5; dropout 0.5 before the last layer; Polyak "
        "averaging; 60 GPUs that wait for each other.",
        "32 images a GPU, as Inception-v3, so that a step has 1,920; 100 epochs; crops and colours as GoogLeNet.",
        "60 parts one after another instead of 60 GPUs; statistics of batch norm are each part's own all the same."),
    Era(early(
        "mobilenet_v1", epochs=100, batch_size=32, optimizer=RMSProp(0.9, 0.0, 1.0), learning_rate=0.045,
        weight_decay=4e-5, schedule=Exponential(0.94, 50), augment=(AreaCrop(least=0.25), Flip()),
    ), 2017, "Howard, Zhu, Chen, Kalenichenko and others, arXiv:1704.04861, section 3.2",
        "RMSProp without waiting, similar to Inception-v3; no side heads, no label smoothing, no very small crops, "
        "little or no decay on depthwise filters.",
        "All numbers of Inception-v3; crops of at least a quarter of the area.",
        f"{ONE_REPLICA} Depthwise filters decay like the others, though by little."),
    Era(early(
        "mobilenet_v2", epochs=300, batch_size=96, optimizer=RMSProp(0.9, 0.9, 1.0), learning_rate=0.045,
        weight_decay=4e-5, schedule=Exponential(0.98, 300), augment=(AreaCrop(least=0.25), Flip()),
    ), 2018, "Sandler, Howard, Zhu, Zhmoginov, Chen, arXiv:1801.04381, section 6.1",
        "RMSProp with decay and momentum of 0.9; 0.045, times 0.98 an epoch; decay 4e-5; 16 GPUs that do not wait, "
        "batches of 96.",
        "Epsilon 1.0 as Inception-v3; 300 epochs; crops as for the first MobileNet.",
        ONE_REPLICA),
)
# fmt: on
