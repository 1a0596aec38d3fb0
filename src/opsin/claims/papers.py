"""Papers of claims that brought no network of the zoo."""

from opsin.cards import Paper

MISHKIN = Paper(
    title="Systematic evaluation of CNN advances on the ImageNet",
    authors="Mishkin, Sergievskiy, Matas",
    year=2016,
    venue="Computer Vision and Image Understanding 161",
    url="https://arxiv.org/abs/1606.02228",
)
