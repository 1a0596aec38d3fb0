"""Running a network that is trained: as a graph of other runtimes, and by the quickest of them.

As soon as they are imported, ONNX Runtime (1.31) and OpenVINO (2026) write an identifier into the user's home and tell
their makers that they are used. They are asked here not to: every module that imports them imports this room first.
"""

import os
import sys

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]  # as if not installed
