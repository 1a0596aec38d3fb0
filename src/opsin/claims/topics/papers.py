"""Papers that claims are about and that have no network in the zoo."""

from opsin.cards import Paper

GLOROT = Paper(
    title="Understanding the Difficulty of Training Deep Feedforward Neural Networks",
    authors="Glorot, Bengio",
    year=2010,
    venue="AISTATS 2010",
    url="https://proceedings.mlr.press/v9/glorot10a.html",
)
SCHERER = Paper(
    title="Evaluation of Pooling Operations in Convolutional Architectures for Object Recognition",
    authors="Scherer, Müller, Behnke",
    year=2010,
    venue="ICANN 2010",
    url="https://doi.org/10.1007/978-3-642-15825-4_10",
)
ZEILER = Paper(
    title="Visualizing and Understanding Convolutional Networks",
    authors="Zeiler, Fergus",
    year=2013,
    venue="ECCV 2014",
    url="https://arxiv.org/abs/1311.2901",
)
SPRINGENBERG = Paper(
    title="Striving for Simplicity: The All Convolutional Net",
    authors="Springenberg, Dosovitskiy, Brox, Riedmiller",
    year=2014,
    venue="ICLR 2015 workshop",
    url="https://arxiv.org/abs/1412.6806",
)
CANZIANI = Paper(
    title="An Analysis of Deep Neural Network Models for Practical Applications",
    authors="Canziani, Paszke, Culurciello",
    year=2016,
    venue="arXiv 1605.07678",
    url="https://arxiv.org/abs/1605.07678",
)
LIAO = Paper(
    title="Bridging the Gaps Between Residual Learning, Recurrent Neural Networks and Visual Cortex",
    authors="Liao, Poggio",
    year=2016,
    venue="arXiv 1604.03640",
    url="https://arxiv.org/abs/1604.03640",
)
MISHKIN = Paper(
    title="Systematic Evaluation of CNN Advances on the ImageNet",
    authors="Mishkin, Sergievskiy, Matas",
    year=2016,
    venue="CVIU 161, 2017",
    url="https://arxiv.org/abs/1606.02228",
)
VEIT = Paper(
    title="Residual Networks Behave Like Ensembles of Relatively Shallow Networks",
    authors="Veit, Wilber, Belongie",
    year=2016,
    venue="NIPS 2016",
    url="https://arxiv.org/abs/1605.06431",
)
WIDE_RESNET = Paper(
    title="Wide Residual Networks",
    authors="Zagoruyko, Komodakis",
    year=2016,
    venue="BMVC 2016",
    url="https://arxiv.org/abs/1605.07146",
)
ZHANG = Paper(
    title="Understanding Deep Learning Requires Rethinking Generalization",
    authors="Zhang, Bengio, Hardt, Recht, Vinyals",
    year=2016,
    venue="ICLR 2017",
    url="https://arxiv.org/abs/1611.03530",
)
SANTURKAR = Paper(
    title="How Does Batch Normalization Help Optimization?",
    authors="Santurkar, Tsipras, Ilyas, Madry",
    year=2018,
    venue="NeurIPS 2018",
    url="https://arxiv.org/abs/1805.11604",
)
NATS_BENCH = Paper(
    title="NATS-Bench: Benchmarking NAS Algorithms for Architecture Topology and Size",
    authors="Dong, Liu, Musial, Gabrys",
    year=2020,
    venue="IEEE TPAMI 44(7), 2022",
    url="https://arxiv.org/abs/2009.00437",
)
