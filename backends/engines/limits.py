"""Limits per minute, as providers set them on requests and on tokens."""

from __future__ import annotations

import asyncio
import time

BURST_S = 1.0  # what was not used in the last second may be used at once


class PerMinute:
    """Lets ``limit`` units a minute pass, evenly; null = all.

    Args:
        limit: units a minute, > 0.
    """

    def __init__(self, limit: float | None) -> None:
        self.seconds_each = 60 / limit if limit else 0.0
        self._free_at = 0.0

    async def take(self, units: float = 1) -> None:
        """Returns when ``units`` may be spent; callers are served in the order in which they came.

        More units than a minute has are let pass, after a longer wait, not refused.
        """
        if not self.seconds_each:
            return
        now = time.monotonic()
        begin = max(self._free_at, now - BURST_S)
        self._free_at = begin + units * self.seconds_each
        # The clock stands at the end of what is spent: a burst waits for its own cost.
        if (wait := begin - now) > 0:
            await asyncio.sleep(wait)
