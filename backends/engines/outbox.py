"""Answers that a thread hands to the main thread, none of which a signal can lose."""

from __future__ import annotations

import threading
from collections import deque

from backends.engines.engine import Completion

Found = tuple[int, Completion] | BaseException | None  # an answer, the end, or a call to look up


class Outbox:
    """One thread puts in, another looks. Every step of looking can be broken off by a signal and
    begun again: what is waited on holds nothing, and an answer lies in two places before it leaves
    the first. ``held`` are the answers seen and not let go, by position.
    """

    def __init__(self) -> None:
        self.held: dict[int, Completion] = {}
        self._found: deque[Found] = deque()
        self._more = threading.Event()

    def put(self, found: Found) -> None:
        """Of the writing thread."""
        self._found.append(found)
        self._more.set()

    def wait(self) -> None:
        """Returns when there may be something new."""
        self._more.wait()
        self._more.clear()

    def look(self) -> BaseException | None:
        """Takes all that is there into ``held``; returns the error that ends it, where one came."""
        error = None
        while self._found and error is None:
            found = self._found[0]
            if isinstance(found, tuple):
                self.held[found[0]] = found[1]
            elif found is not None:
                error = found
            self._found.popleft()
        return error
