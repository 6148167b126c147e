"""A worker that does what its first argument says."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from backends.process import become_worker


def main() -> None:
    emit = become_worker()
    what = sys.argv[1]
    if what == "count":
        for i in range(200):
            emit({"event": "n", "i": i, "text": "a\nb \u00e9"})
    elif what == "noisy":
        print("a library prints")
        emit({"event": "n", "i": 0})
        os.write(1, b"{not json\n")
        subprocess.run(["echo", "a child prints"], check=True)
        emit({"event": "n", "i": 1})
    elif what == "fail":
        emit({"event": "n", "i": 0})
        print("Traceback of something", file=sys.stderr)
        raise SystemExit("the disk is on fire")
    elif what == "silent":
        raise SystemExit(7)
    elif what == "sleep":
        child = subprocess.Popen(["sleep", "60"])
        Path(sys.argv[2]).write_text(f"{os.getpid()} {child.pid}")
        emit({"event": "n", "i": 0})
        time.sleep(60)
    elif what == "mute":
        child = subprocess.Popen(["sleep", "60"])
        emit({"event": "n", "child": child.pid})
        if sys.argv[2] == "closed":  # the pipe ends, the process does not
            os.closerange(3, 64)
        time.sleep(60)
    elif what == "slow":
        for i in range(8):
            time.sleep(0.5)
            emit({"event": "n", "i": i})
    elif what == "environment":
        emit({"safe": os.environ["PYTHONSAFEPATH"], "mine": os.environ["MINE"], "pid": os.getpid(),
              "group": os.getpgrp()})  # fmt: skip


if __name__ == "__main__":
    main()
