"""What the commands say of DATA and --root."""

DATA = (
    "A folder of class folders (or of train, val, test); a list of paths and labels (.csv, .tsv, .jsonl); arrays "
    "(.npz); or a set by its name: digits, mnist, cifar10, flowers102 ..., hf:OWNER/NAME."
)
ROOT = "The folder in which a copy of a named set lies. [default: the cache; downloaded if need be]"
