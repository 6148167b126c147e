"""One writer to a run folder."""

from __future__ import annotations

import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from results.errors import SrlmError
from results.files import writing


class RunLock:
    """Holds ``<run>/.lock`` for as long as the ``with`` block lasts; makes the folder if needed.

    The lock is the kernel's (flock): it ends with the process, SIGKILL included, so a crashed run
    needs no cleaning up. The file itself stays and only says who holds it; where nothing else was
    written (a start that was refused) it goes when the block ends, and so do the folders it made.

    Raises SrlmError on entry, naming the folder and the process that holds it.

    Args:
        run: the folder.
        what: what it is to the user, in messages.
        option: the option that names another folder, in messages.
    """

    def __init__(self, run: Path, what: str = "this run", option: str = "--out") -> None:
        self.run = run
        self.what = what
        self.option = option
        self._fd: int | None = None
        self._made: list[Path] = []

    def __enter__(self) -> RunLock:
        self._made = [p for p in (self.run, *self.run.parents) if not p.exists()]
        self._fd = fd = self._lock(self.run / ".lock")
        # Forked children share the lock, and would hold it after us: they drop their copy.
        os.register_at_fork(after_in_child=self._close)
        with suppress(OSError):  # only a courtesy to whoever is refused
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
        return self

    def _lock(self, path: Path) -> int:
        """Opens and locks ``path``; anew when its last holder removed it in between."""
        for _ in range(100):
            fd = self._try(path)
            if fd is None:
                continue
            with suppress(OSError):
                if os.path.samestat(os.fstat(fd), path.stat()):
                    return fd
            os.close(fd)
        raise SrlmError(
            f"{path}: other processes make and remove it all the time; run the same command again"
        )

    def _try(self, path: Path) -> int | None:
        """The locked descriptor; null when another process removed the folder meanwhile."""
        with writing(path):
            try:
                self.run.mkdir(parents=True, exist_ok=True)
                # Not inherited by the processes that we start (O_CLOEXEC): a worker that outlives
                # a killed run must not keep its folder locked.
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except FileNotFoundError:
                return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(fd, 300, 0).decode(errors="replace").strip() or "another process"
            os.close(fd)
            raise SrlmError(
                f"{self.run}: {self.what} is being written by {holder}; "
                f"wait for it, stop it, or choose another folder with {self.option}"
            ) from None
        except OSError as error:
            os.close(fd)
            raise SrlmError(
                f"{path}: this file system has no file locks ({error.strerror}); "
                f"choose a folder on another disk with {self.option}"
            ) from None
        return fd

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # not ours to remove, or already gone
            if [entry.name for entry in os.scandir(self.run)] == [".lock"]:
                (self.run / ".lock").unlink()
                for folder in self._made:
                    folder.rmdir()
        self._close()

    def _close(self) -> None:
        """Closes our descriptor. The lock goes with the last one (never unlock: that is shared)."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None
