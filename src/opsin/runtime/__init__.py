"""Running a network that is trained: as a graph of other runtimes, and by the quickest of them.

ONNX Runtime (1.31) tells its makers of each session, and writes an identifier into the user's cache, as soon as it is
imported; every module that imports it lies in this room or above it, so it is asked here not to.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
