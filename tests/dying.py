"""Processes of a group that fail while another waits for them; by name, as tests/several.py, and light to import."""

from __future__ import annotations

import os
import signal
import time

from runner.progress import Progress


def second_is_killed(group, report):
    if not group.leads:
        os.kill(os.getpid(), signal.SIGKILL)
    group.sum(1.0)


def second_raises(group, report):
    if not group.leads:
        raise ValueError("what nobody foresaw")
    group.sum(1.0)


def both_wait(group, report):
    """Tell both process ids as one number, then wait for good."""
    pid = os.getpid()
    report(Progress(f"{pid + group.sum(0 if group.leads else pid) * 2**24:.0f}"))
    if not group.leads:
        time.sleep(600)
    group.sum(1.0)
