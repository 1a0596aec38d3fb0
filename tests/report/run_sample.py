"""A run that was never trained: the records of one, as `opsin train` leaves them."""

import json

EPOCH = {"train_loss": 1.5, "val_loss": 0.5, "val_top1": 0.8, "learning_rate": 0.003, "seconds": 2.0}


def made(folder, history, epochs=8, status="ok", **asked):
    """Writes plan.json, metrics.jsonl and run.json into the folder, and returns it; `asked` changes what was asked."""
    plan = {
        "schema": 1,
        "asked": {
            "data": "photos", "model": "resnet20_cifar", "recipe": None, "settings": [], "seed": 3, "groups": None,
            "root": None, "skip_bad": False, "command": "opsin train photos --model resnet20_cifar",
        } | asked,
        "identity": {"device": "cpu", "data": "cbb152c3"},
        "entry": {"start": "scratch", "origin": None},
        "arguments": {"num_classes": 4},
        "recipe": {"name": "modern", "epochs": epochs, "learning_rate": 0.003},
        "preprocess": {"size": 32},
        "split": "60/20/20, stratified, seed 0",
        "data": {"name": "photos", "classes": 4, "images": {"train": 600, "val": 200, "test": 100}, "notes": []},
        "notes": ["epochs 30 -> 8, the schedule with them"],
    }  # fmt: skip
    end = {"device": "cpu", "threads": 1, "status": status, "versions": {"torch": "2.15.0"}, "commit": None}
    end |= {"figures": {"test_top1": 0.9, "test_images": 100}} if status == "ok" else {}
    folder.mkdir(exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "run.json").write_text(json.dumps(end))
    lines = (json.dumps({"epoch": k} | epoch) + "\n" for k, epoch in enumerate(history, 1))
    (folder / "metrics.jsonl").write_text("".join(lines))
    return folder


def epochs(n, **changes):
    """So many epochs, in which the losses fall and accuracy rises."""
    return [
        EPOCH | {"train_loss": 1.5 * 0.9**k, "val_loss": 0.5 + 0.4 * 0.9**k, "val_top1": 0.9 - 0.3 * 0.8**k} | changes
        for k in range(n)
    ]


def unseen(n):
    """Epochs of a run without a validation part."""
    return [{key: value for key, value in epoch.items() if not key.startswith("val")} for epoch in epochs(n)]
