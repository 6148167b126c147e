"""Where a model's weights lie."""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from results.errors import SrlmError, UsageError

LOCAL_EXTRA = "install it with: pip install 'srlm[local]'"
OPENAI_EXTRA = "install it with: pip install 'srlm[openai]'"


def model_folder(reference: str) -> Path:
    """The local folder of a model.

    Args:
        reference: a folder, ``package:some.package/folder`` for weights inside an installed
            package, or a hub id (fetched through huggingface_hub).

    Raises:
        UsageError: nothing of that name.
    """
    if reference.startswith("package:"):
        folder = inside_package(f"model {reference!r}", reference)
        if not (folder / "config.json").is_file():
            raise UsageError(f"model {reference!r}: no config.json in {folder}")
        return folder
    folder = Path(reference).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise UsageError(f"model {reference!r}: no config.json in that folder")
        return folder
    if reference.startswith((".", "/", "~")) or reference.count("/") != 1:
        raise UsageError(
            f"model {reference!r}: no such folder, and it is not a hub id (owner/name)"
        )
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(reference))
    except Exception as error:  # the hub client raises many kinds; each means "not to be had"
        raise SrlmError(
            f"model {reference!r}: no such folder, and the hub did not give it "
            f"({type(error).__name__}); give a local folder"
        ) from error


def inside_package(what: str, reference: str) -> Path:
    """Where ``package:some.package/inside`` lies; UsageError about ``what`` without the package."""
    package, _, inside = reference.removeprefix("package:").partition("/")
    try:
        return Path(str(importlib.resources.files(package))) / inside
    except ModuleNotFoundError as error:
        raise UsageError(f"{what}: there is no package {package!r}") from error


def model_here(reference: str) -> Path | None:
    """The folder of a model that lies on this machine already, null where it does not.

    Nothing is fetched: of a hub id only what was fetched before is found. ``reference`` and errors
    are as in ``model_folder``, except that a folder that is not there is no error.
    """
    if reference.startswith("package:") or Path(reference).expanduser().is_dir():
        return model_folder(reference)
    if reference.startswith((".", "/", "~")) or reference.count("/") != 1:
        return None
    try:
        from huggingface_hub import snapshot_download

        return Path(snapshot_download(reference, local_files_only=True))
    except Exception:  # as above, or the client itself is not installed
        return None
