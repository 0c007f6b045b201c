"""The process between `isolated` and what it runs: no child outlives it. Run as a file, not imported.

    python isolated_warden.py COMMAND...

Ends when the command ends or when its standard input closes (with the parent, however that ends), after it
has killed everything the command started. On Linux that includes processes that left the session: orphans
become this process's children, and are found there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

_SET_CHILD_SUBREAPER = 36


def main(command: list[str]) -> int:
    """Run the command; its exit code, 137 when it was killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=_kill_when_closed, args=(process.pid,), daemon=True).start()
    code = process.wait()
    _kill_all(process.pid)
    return code if code >= 0 else 128 - code


def _kill_when_closed(session: int) -> None:
    # Not `sys.stdin`: its lock would keep the interpreter from ending.
    while os.read(0, 1):
        pass
    _kill_all(session)
    os._exit(137)


def _kill_all(session: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(session, signal.SIGKILL)
    # A process may start another one during the search, so repeat until none is left.
    while found := _descendants():
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _reap()
        time.sleep(0.01)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _descendants() -> list[int]:
    """All processes below this one, also dead ones until they are reaped; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name, which may hold anything: state and parent.
            parent = place.read_bytes().rpartition(b")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(place.parent.name))
    found, waiting = [], [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
