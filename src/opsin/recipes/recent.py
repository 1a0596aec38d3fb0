"""2020 to 2022, and our own: AdamW, cosine and strong augmentation."""

from opsin.data.augment import AreaCrop, Erase, Flip, Jitter, RandAugment
from opsin.engine.average import EMA
from opsin.engine.mix import Mix
from opsin.engine.recipe import Recipe
from opsin.recipes.entry import Era

STRONG = (AreaCrop(), RandAugment(), Flip(), Erase(0.25))

# fmt: off
MODERN = Recipe("modern")
FINETUNE = Recipe(
    "finetune", epochs=10, learning_rate=1e-3, warmup=0.1, head_epochs=1, stem_rate=0.1, rates=(0.3, 1.0, 3.0)
)
PHOTOS = Recipe(
    "photos", epochs=100, learning_rate=1e-3, average=EMA(0.05), augment=(AreaCrop(least=0.25), Flip(), Jitter()),
)
ERAS = (
    Era(Recipe(
        "vit", epochs=300, batch_size=4096, accumulate=16, learning_rate=3e-3, weight_decay=0.3,
        warmup=10_000 / (300 * 313), label_smoothing=0.0, clip_norm=1.0, augment=(AreaCrop(least=0.05), Flip()),
        arguments={"dropout": 0.1}, rates=(1.0,),
    ), 2020, "Dosovitskiy, Beyer, Kolesnikov and others, arXiv:2010.11929, table 3, for ImageNet from scratch",
        "300 epochs, batches of 4,096, Adam with betas 0.9 and 0.999; 3e-3 after 10,000 steps of warm-up, cosine; "
        "decay 0.3, dropout 0.1, gradients clipped at norm 1.",
        "Crops of 5 to 100 % of the area and mirror images, as in the released code.",
        "Decay is decoupled (AdamW), as in the released code."),
    Era(Recipe(
        "deit", epochs=300, batch_size=1024, accumulate=4, learning_rate=1e-3, weight_decay=0.05, warmup=5 / 300,
        label_smoothing=0.1, clip_norm=None, mix=Mix(0.8, 1.0), augment=STRONG, arguments={"drop_path": 0.1},
        rates=(1.0,),
    ), 2020, "Touvron, Cord, Douze, Massa, Sablayrolles, Jegou, arXiv:2012.12877, table 9",
        "300 epochs, batches of 1,024, AdamW at 0.0005 for 512 images, 5 epochs of warm-up, cosine; decay 0.05, "
        "smoothing 0.1, stochastic depth 0.1, RandAugment 9/0.5, mixup 0.8, cutmix 1.0, erasing 0.25.",
        "",
        "No repeated augmentation: an epoch has every image once."),
    Era(Recipe(
        "swin", epochs=300, batch_size=1024, accumulate=4, learning_rate=1e-3, weight_decay=0.05, warmup=20 / 300,
        label_smoothing=0.1, clip_norm=5.0, mix=Mix(0.8, 1.0), augment=STRONG, arguments={"drop_path": 0.2},
        rates=(1.0,),
    ), 2021, "Liu, Lin, Cao, Hu, Wei, Zhang, Lin, Guo, arXiv:2103.14030, section 4.1 and appendix A2.1",
        "300 epochs, batches of 1,024, AdamW at 1e-3, 20 epochs of warm-up, cosine, decay 0.05; the augmentation of "
        "DeiT without repetition; stochastic depth 0.2, 0.3 and 0.5 (tiny, small, base).",
        "Gradients clipped at norm 5, as in the released configuration. Swin-L, which the paper pre-trains on more "
        "images, at 0.2."),
    Era(Recipe(
        "convnext", epochs=300, batch_size=4096, accumulate=16, learning_rate=4e-3, weight_decay=0.05,
        warmup=20 / 300, label_smoothing=0.1, clip_norm=None, average=EMA(0.107), mix=Mix(0.8, 1.0), augment=STRONG,
        arguments={"drop_path": 0.1}, rates=(1.0,),
    ), 2022, "Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, arXiv:2201.03545, table 5",
        "300 epochs, batches of 4,096, AdamW at 4e-3, 20 epochs of warm-up, cosine; decay 0.05, smoothing 0.1, mixup "
        "0.8, cutmix 1.0, RandAugment 9/0.5, erasing 0.25, an average that fades by 0.9999 a step; stochastic depth "
        "0.1, 0.4, 0.5 and 0.5 (tiny to large).",
        "",
        "The average's horizon is a share, 0.107 of 93,900 steps."),
    Era(MODERN, 2022, "ours, from what DeiT (2020) and ConvNeXt (2022) share",
        "What a practitioner would try first on small images, for every network alike: AdamW with a warm-up and a "
        "cosine, smoothing 0.1, decay 0.05, clipped gradients, moves and (for colour images) mirror images; a probe of "
        "three learning rates.",
        "30 epochs: without what needs hundreds (mixup, erasing, averaging). Results: docs/log.md.", images=0),
    Era(PHOTOS, 2022, "ours, from what DeiT (2020) and ConvNeXt (2022) share",
        "For a few thousand photos from scratch: as modern in 100 epochs, at a lower rate, with crops of a quarter to "
        "all of the area, mirror images, moving colours, and an average of the weights.",
        "Without mixing, erasing and RandAugment, which need longer still.", images=0),
    Era(FINETUNE, 2022, "ours, from ConvNeXt's fine-tuning (2022) and common practice",
        "For weights that others trained: the first epoch for the new last layer alone, then the whole network, its "
        "first layer at a tenth of the last one's rate.",
        "10 epochs, and a probe of three learning rates. Results: docs/log.md.", images=0),
)
# fmt: on
