"""Puts one outside file into the data folder: got, checked, recorded, only then in its place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from benchmarks.outside_data.download import (
    Got,
    OutOfReachError,
    Show,
    SourceError,
    Wanted,
    at_mirror,
    download,
    forget,
    without_password,
)
from benchmarks.outside_data.folder import DataFolder
from benchmarks.outside_data.table import OutsideData, OutsideFile
from results.files import file_sha256, sync_folder, writing

if TYPE_CHECKING:
    import httpx2


@dataclass(frozen=True)
class Fetched:
    """What was done for a file: it was there, or it was got, or its hash alone was recorded."""

    how: Literal["there", "fetched", "recorded"]
    sha256: str
    size: int  # bytes


def fetch(
    client: httpx2.Client,
    folder: DataFolder,
    data: OutsideData,
    file: OutsideFile,
    mirror: str | None,
    show: Show,
) -> Fetched:
    """Makes ``file`` be there as it must be. The caller holds the folder's lock.

    A file that nothing is known of (put there by hand) is taken as it is and recorded. One that
    is wrong is replaced, as soon as the right one is there.

    Args:
        client: of ``open_client``.
        folder: where to.
        data: the entry.
        file: one of its files.
        mirror: whose scheme and host stand in place of the source's; null = the source.
        show: called with the bytes had and the bytes of all.

    Raises:
        UsageError: ``mirror`` is no URL.
        SourceError: the source has not this file, or has another one: both hashes are named.
        SrlmError: the source is out of reach, or the folder cannot be written to.
    """
    place = folder.place(data, file)
    checked = folder.check(data, file)
    size = folder.size(data, file)
    if checked.sha256 is not None and size is not None:
        if checked.state == "ok":
            return Fetched("there", checked.sha256, size)
        if checked.state == "unrecorded":
            folder.keep_record(data, file, data.revision, checked.sha256, size)
            return Fetched("recorded", checked.sha256, size)
    record = folder.record(data, file)
    # A branch moves on; the commit that was recorded still has the file that was.
    revision = record.revision if record else data.revision
    expected, expected_size = folder.expected(data, file)
    wanted = Wanted(
        url=at_mirror(data.url(file, revision), mirror),
        identity=data.url(file, revision),
        part=place.with_name(f".{place.name}.part"),
        size=expected_size,
        sure=expected is not None,
    )
    got = _download(client, wanted, place, show)
    found = _sha256(wanted.part)
    if got.resumed and expected not in (None, found):  # joined of two files: all of it, then
        forget(wanted.part)
        got = _download(client, wanted, place, show)
        found = _sha256(wanted.part)
    if expected is not None and found != expected:
        forget(wanted.part)
        raise _wrong(folder, data, file, wanted, found, expected)
    with writing(wanted.part):
        length = wanted.part.stat().st_size
    # Recorded first: a crash in between leaves a hash to check by, not a file to take on trust.
    folder.keep_record(data, file, got.commit or revision, found, length)
    with writing(place):
        wanted.part.replace(place)
        sync_folder(place.parent)
    forget(wanted.part)
    return Fetched("fetched", found, length)


def _download(client: httpx2.Client, wanted: Wanted, place: Path, show: Show) -> Got:
    try:
        return download(client, wanted, show)
    except OutOfReachError as error:
        raise OutOfReachError(
            f"{error}; get it when there is a net, or put {wanted.identity} by hand at {place}"
        ) from None


def _sha256(part: Path) -> str:
    with writing(part):
        return file_sha256(part)


def _wrong(
    folder: DataFolder,
    data: OutsideData,
    file: OutsideFile,
    wanted: Wanted,
    found: str,
    expected: str,
) -> SourceError:
    mend = "the bytes were changed on the way or at the source: try again, or another --from"
    if file.sha256 is None:
        mend += (
            f"; if the source is known to have changed, remove {data.name}/{file.file} from "
            f"{folder.manifest}"
        )
    return SourceError(
        f"{folder.place(data, file)}: found sha256 {found} at {without_password(wanted.url)}, "
        f"expected {expected}; {mend}"
    )
