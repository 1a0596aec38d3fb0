"""Public weights of other libraries in our networks, and ours in theirs.

families/     for each family: how other libraries name its tensors, and which weights are public
catalogue.py  the registry of families: `public(name)`
download.py   torchvision's files; hub.py those of the Hugging Face hub
files.py      weights as files: .safetensors and .pth, never a pickle that runs code
load.py       tensors of another library into a network, every key accounted for
create.py     `opsin.create_model`: a network by its name, with weights
export.py     the other way
"""
