"""A connection to a Ray cluster.

The driver joins directly, as a member of the cluster, and not as a "ray://" client, whose proxy ends all work when the
connection drops for half a minute. So its machine has to be a node: `ray start --address=HEAD:6379`, with
`--num-cpus=0` where it should not train. Ray is imported only here, when it is asked for, and on its nodes.
"""

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from typing import Any

from opsin.errors import OpsinError

TRIAL_SECONDS = 30
TRIAL = """
import logging, sys, ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level=logging.CRITICAL)
except Exception as error:
    sys.exit(type(error).__name__ + ": " + " ".join(str(error).split()))
print(ray.get_runtime_context().gcs_address)
"""
QUIET = ("RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_AUTO_CONNECT")
"""Ray's habits that are switched off: to report its use, and to start a cluster where a connection was lost."""


def check_address(address: str) -> None:
    """Raises OpsinError for what is neither "auto" nor HOST:PORT."""
    if address.startswith("ray://"):
        host = address.removeprefix("ray://").partition(":")[0]
        raise OpsinError(
            f"--cluster {address}: this machine must be a node itself, not a client: run `ray start "
            f"--address={host}:6379 --num-cpus=0` here, then give --cluster auto"
        )
    if address != "auto" and not re.fullmatch(r"[^\s:/]+:\d{1,5}|\[[0-9A-Fa-f:]+\]:\d{1,5}", address):
        raise OpsinError(f"--cluster takes auto, or HOST:PORT of the cluster's head, not {address!r}")


def answers(address: str, seconds: float = 3.0) -> bool:
    """Whether anything listens at HOST:PORT."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
    except (OSError, OverflowError):
        return False
    return True


@dataclass(frozen=True)
class Cluster:
    """A connection: the module of Ray, HOST:PORT of the head, and whether `connect` has made it."""

    ray: Any
    head: str
    ours: bool


def connect(address: str) -> Cluster:
    """Joins a cluster, or the one that this process is connected to already.

    Raises OpsinError, within seconds, where Ray is not installed or no cluster answers there.
    """
    check_address(address)
    for name in QUIET:
        os.environ.setdefault(name, "0")
    try:
        import ray
    except ImportError:
        raise OpsinError("--cluster needs Ray: pip install 'opsin[cluster]'") from None
    if ray.is_initialized():
        return Cluster(ray, ray.get_runtime_context().gcs_address, ours=False)
    head = find(os.environ.get("RAY_ADDRESS", address) if address == "auto" else address)
    before = signal.getsignal(signal.SIGTERM)
    ray.init(address=head, log_to_driver=False, logging_level=logging.CRITICAL)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # what Ray does to it is not for us
    return Cluster(ray, head, ours=True)


def find(address: str) -> str:
    """HOST:PORT of the head, where a trial connection holds; raises OpsinError where it does not.

    A process of its own tries: where something else listens there, Ray waits for minutes, and talks.
    """
    mend = "start one there (`ray start --head`), or name another"
    if address != "auto" and not answers(address):
        raise OpsinError(f"no Ray cluster answers at {address}: {mend}")
    command = [sys.executable, "-P", "-c", TRIAL, address]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_SECONDS)
    except subprocess.TimeoutExpired:
        raise OpsinError(
            f"cannot join a Ray cluster at {address} in {TRIAL_SECONDS} seconds: is there one, and has this machine "
            f"joined it (`ray start --address={address} --num-cpus=0`)?"
        ) from None
    if tried.returncode == 0:
        return tried.stdout.split()[-1]
    if address == "auto" and "ConnectionError" in tried.stderr:
        raise OpsinError(f"this machine belongs to no Ray cluster: {mend}, or give HOST:PORT of its head")
    why = " ".join((tried.stderr.strip() or f"exit code {tried.returncode}").split("\n")[-1].split())[:300]
    raise OpsinError(f"cannot join the Ray cluster at {address}: {why}")
