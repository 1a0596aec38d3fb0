"""ImageNet's classes in the networks' order, beside timm's list and torchvision's names."""

from timm.data import ImageNetInfo

from opsin.weights import imagenet


def test_order():
    info = ImageNetInfo()
    assert imagenet.synsets() == tuple(info.label_names())
    assert len(imagenet.synsets()) == 1000
    for k, name in enumerate(imagenet.names()):  # torchvision's differ in a few words
        assert {name.split()[0].lower()} & set(info.index_to_description(k).lower().replace(",", " ").split()) or k


def test_names_follow_the_folders():
    assert imagenet.names_like(["n02102040", "misc"])[217] == "n02102040"
    assert imagenet.names_like(["English springer"])[217] == "English springer"
