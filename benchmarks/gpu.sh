#!/usr/bin/env bash
# What Opsin does on a GPU: installs, checks that runs repeat, benches the networks of Canziani, Paszke and Culurciello
# with their energy, forecasts, compares the large line-up on photos, and puts claims to the test that take a GPU.
#   [TIMM=TRAIN.PY] [CIFAR=FOLDER] bash benchmarks/gpu.sh PHOTOS [OUT]
# PHOTOS: a folder of class folders, or train and val of them; with train and val, whole training runs are timed beside
# torchvision's loop, and beside timm's script where TIMM names it. CIFAR holds cifar-10-batches-py, and is what
# claims are trained on: hours.
set -euo pipefail
cd "$(dirname "$0")/.."
photos=$1
out=${2:-gpu-results}
mkdir -p "$out"
[ -x .venv/bin/opsin ] || {
  python3 -m venv .venv && .venv/bin/pip install -q uv && .venv/bin/uv pip install -q -r requirements-dev.lock -e .
}
nvidia-smi --query-gpu=name,memory.total --format=csv,noheader
.venv/bin/python - <<'PY'
import torch
assert torch.cuda.is_available(), "no CUDA device, or a PyTorch without CUDA"
print(torch.__version__, torch.cuda.get_device_name())
PY
.venv/bin/pytest tests/data/test_augment.py tests/engine -q
.venv/bin/opsin bench resnet50 vgg16 mobilenet_v2_100 vit_base_patch16_224 --batch 1,16,256 --train --power \
  --device cuda --csv "$out/bench.csv"
.venv/bin/opsin bench --all --device cuda --power --page --out "$out/bench.html" --keep "$out/bench"
speed() { # model, data, batch
  .venv/bin/python benchmarks/training_speed.py "$1" "$2" --batch-size "$3" --device cuda --workers "$(nproc)" \
    --epochs 3 ${TIMM:+--timm "$TIMM"}
}
if [ -d "$photos/train" ] && [ -d "$photos/val" ]; then
  speed resnet50 "$photos" 256 | tee "$out/speed-resnet50.txt"
  speed convnext_tiny "$photos" 128 | tee "$out/speed-convnext_tiny.txt"
fi
[ -z "${CIFAR:-}" ] || speed resnet20_cifar "$CIFAR" 128 | tee "$out/speed-resnet20_cifar.txt"
.venv/bin/opsin plan "$photos" --minutes 30 --device cuda --input-size 224
.venv/bin/opsin compare "$photos" --lineup large --epochs 5 --seeds 2 --input-size 224 --device cuda --out "$out/large"
.venv/bin/opsin compare digits --device cuda --workers 4 --out "$out/digits"
.venv/bin/opsin claims run X30 --out "$out/claims"
[ -z "${CIFAR:-}" ] || .venv/bin/opsin claims run T03 T24 --tier full --seeds 6 --root "$CIFAR" --out "$out/claims-full"
.venv/bin/python - "$out" <<'PY'
import json, sys
for name in ("large", "digits"):
    results = json.load(open(f"{sys.argv[1]}/{name}/results.json"))
    print(f"\n{name}: {results['seconds']:.0f} s on {results['machine']['gpu']}")
    for row in results["rows"]:
        if row["status"] == "ok":
            print(f"{row['model']:24} {row['top1_mean']:.3f}  {row['train_seconds']:.1f} s a run  "
                  f"{row['latency_ms_p50']:.2f} ms  {row['peak_memory_mb']:.0f} MiB")
        else:
            print(f"{row['model']:24} {row['status']}")
PY
