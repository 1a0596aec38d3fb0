"""Tasks for the pool's tests; workers import them by name."""

import os
import time


def double(payload, report):
    report(f"doubling {payload}")
    print("this must not reach the pool's channel")
    return payload * 2


def fail(payload, report):
    raise ValueError(f"cannot\nwork with {payload}")


def die(payload, report):
    os._exit(7)


def sleep(payload, report):
    report(os.getpid())
    time.sleep(payload)
