"""srlm data: the files of others that benchmarks need: what there is, getting it, checking it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.outside_data.folder import DataFolder
    from benchmarks.outside_data.table import OutsideData, OutsideFile
    from harness.data_progress import DataProgress

    Wanted = list[tuple[OutsideData, OutsideFile]]


def add(commands: Any) -> None:
    """Adds ``data`` to the command line."""
    data = commands.add_parser(
        "data",
        help="outside data: what benchmarks need, where from, fetch it, verify it",
        description="The files of others that benchmarks need. They lie in SRLM_DATA, else in the "
        "user's cache folder, and are used from there without a net.",
    )
    actions = data.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, do, what, more in (
        ("ls", _ls, "what there is: source, revision, licence, size, state, place", ""),
        (
            "fetch",
            _fetch,
            "get what is missing or wrong; the same command again goes on",
            "A file with a known sha256 is checked against it; of another one the first fetch "
            "records it. ",
        ),
        ("verify", _verify, "hash what is there; exit code 1 where a file is wrong", ""),
    ):
        command = actions.add_parser(name, help=what, description=f"{what}. {more}".strip())
        command.add_argument("name", nargs="?", metavar="NAME", help="one entry (default: all)")
        command.add_argument("--to", type=_folder, metavar="DIR", help="another data folder")
        if name == "fetch":
            command.add_argument(
                "--from",
                dest="mirror",
                metavar="URL",
                help="a mirror: stands in place of the sources' scheme and host",
            )
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")
        command.set_defaults(do=do)


def _folder(text: str) -> Path:
    """Of ``--to``: an empty one is a variable that is not set, not the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("found an empty text, expected a folder")
    return Path(text)


def _wanted(name: str | None) -> Wanted:
    from benchmarks.outside_data.table import find_data, outside_data

    entries = list(outside_data().values()) if name is None else [find_data(name)]
    return [(data, file) for data in entries for file in data.files]


def _ls(arguments: argparse.Namespace) -> int:
    from benchmarks.outside_data.folder import data_folder

    folder = data_folder(arguments.to)
    rows = [_row(folder, data, file) for data, file in _wanted(arguments.name)]
    if arguments.json:
        _print_json({"folder": str(folder.path), "files": rows})
        return 0
    from harness.data_progress import bytes_text

    shown = None
    for row in rows:
        if row["name"] != shown:
            shown = row["name"]
            print(f"{shown} ({row['licence']}): {row['purpose']}")
            print(f"  {row['source']} at {row['revision']}; {row['note']}")
        print(f"  {row['file']}  {bytes_text(row['size'])}  {row['state']}")
        print(f"    {row['url']}")
        print(f"    {row['path']}")
    return 0


def _row(folder: DataFolder, data: OutsideData, file: OutsideFile) -> dict[str, Any]:
    sha256, size = folder.expected(data, file)
    found = folder.size(data, file)
    record = folder.record(data, file)
    state = "missing" if found is None else "cached"
    if found is not None and size is not None and found != size:
        state = "wrong size"
    return {
        "name": data.name,
        "file": file.file,
        "purpose": data.purpose,
        "licence": data.licence,
        "source": f"{data.host} {data.repository}",
        "revision": record.revision if record else data.revision,
        "pinned": data.pinned,
        "url": data.url(file),
        "sha256": sha256,
        "size": found if size is None else size,
        "state": state,
        "path": str(folder.place(data, file)),
        "note": data.note,
    }


def _fetch(arguments: argparse.Namespace) -> int:
    from benchmarks.outside_data.download import at_mirror
    from benchmarks.outside_data.folder import data_folder
    from harness.data_progress import DataProgress
    from results.lock import RunLock

    folder = data_folder(arguments.to)
    wanted = _wanted(arguments.name)
    at_mirror("", arguments.mirror)  # a wrong one is told also where nothing is missing
    rows, left = [], []
    for data, file in wanted:
        checked = folder.check(data, file)
        if checked.state == "ok":
            rows.append(_fetch_row(folder, data, file, "there", checked.sha256))
        else:
            left.append((data, file))
    with DataProgress() as progress:
        if left:  # else nothing is written: a folder that cannot be is as good
            with RunLock(folder.path, "this data folder", "--to"):
                rows += _fetch_each(folder, left, arguments.mirror, progress)
        failed = sum(row["how"] == "failed" for row in rows)
        there = sum(row["how"] == "there" for row in rows)
        progress.note(
            f"{len(rows)} files: {there} there, {len(rows) - there - failed} new, {failed} failed; "
            f"in {folder.path}"
        )
        if arguments.to is not None and folder.path != data_folder().path:
            progress.note(f"benchmarks find them with SRLM_DATA={folder.path}")
    if arguments.json:
        _print_json({"folder": str(folder.path), "files": rows})
    return 1 if failed else 0


def _fetch_each(
    folder: DataFolder, wanted: Wanted, mirror: str | None, progress: DataProgress
) -> list[dict[str, Any]]:
    from benchmarks.outside_data.download import SourceError, open_client
    from benchmarks.outside_data.fetch import fetch
    from harness.data_progress import bytes_text

    rows = []
    with open_client() as client:
        for data, file in wanted:
            label = f"{data.name}/{file.file}"
            progress.start(label)
            try:
                got = fetch(client, folder, data, file, mirror, progress.show)
            except SourceError as error:
                rows.append(_fetch_row(folder, data, file, "failed", None, str(error)))
                progress.note(f"srlm: {error}")
            else:
                rows.append(_fetch_row(folder, data, file, got.how, got.sha256))
                progress.note(f"{label}: {got.how}, {bytes_text(got.size)}, sha256 {got.sha256}")
    return rows


def _fetch_row(
    folder: DataFolder,
    data: OutsideData,
    file: OutsideFile,
    how: str,
    sha256: str | None,
    error: str | None = None,
) -> dict[str, Any]:
    return {**_place(folder, data, file), "how": how, "sha256": sha256, "error": error}


def _verify(arguments: argparse.Namespace) -> int:
    from benchmarks.outside_data.folder import data_folder

    folder = data_folder(arguments.to)
    rows = []
    for data, file in _wanted(arguments.name):
        checked = folder.check(data, file)
        rows.append(
            {
                **_place(folder, data, file),
                "state": checked.state,
                "sha256": checked.sha256,
                "expected": checked.expected,
            }
        )
    if arguments.json:
        _print_json({"folder": str(folder.path), "files": rows})
    else:
        for row in rows:
            print(f"{row['state']:<10}  {row['name']}/{row['file']}")
    to = f" --to {arguments.to}" if arguments.to is not None else ""
    for row in rows:
        if row["state"] == "wrong":
            expected = f"sha256 {row['expected']}" if row["expected"] else "another revision"
            print(
                f"srlm: {row['path']}: found sha256 {row['sha256']}, expected {expected}; "
                f"get it again with: srlm data fetch {row['name']}{to}",
                file=sys.stderr,
            )
        elif row["state"] == "unrecorded" and not arguments.json:
            print(
                f"{row['path']}: no sha256 is known of it; srlm data fetch {row['name']}{to} "
                "takes this one for right from now on",
                file=sys.stderr,
            )
    return 1 if any(row["state"] == "wrong" for row in rows) else 0


def _place(folder: DataFolder, data: OutsideData, file: OutsideFile) -> dict[str, Any]:
    return {"name": data.name, "file": file.file, "path": str(folder.place(data, file))}


def _print_json(document: dict[str, Any]) -> None:
    import json

    print(json.dumps(document, ensure_ascii=False, indent=2))
