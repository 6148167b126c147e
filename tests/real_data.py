"""Where real data lies: SRLM_REAL_DATA, else ../shared/data beside the checkout, else nowhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def real_data_path(*parts: str) -> Path:
    """Where the file or folder ``parts`` of the real data is, if it is there at all."""
    root = os.environ.get("SRLM_REAL_DATA")
    folder = Path(root) if root else Path(__file__).parents[2] / "shared" / "data"
    return folder.joinpath(*parts)


def real_data(*parts: str) -> Path:
    """The file or folder ``parts`` of the real data; without it the test is skipped."""
    path = real_data_path(*parts)
    if not path.exists():
        pytest.skip(f"real data is not here: {path} (set SRLM_REAL_DATA)")
    return path
