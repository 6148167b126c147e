"""What the JUnit schema asks of a report, as the test views of pipelines read it."""

from __future__ import annotations

from xml.etree import ElementTree as ET

COUNTS = {"tests", "failures", "errors"}
# element -> (attributes it must have, others it may have, children it may have)
SCHEMA: dict[str, tuple[set[str], set[str], set[str]]] = {
    "testsuites": (set(), {"name", "time", "disabled", *COUNTS}, {"testsuite"}),
    "testsuite": (
        {"name", "tests"},
        {"failures", "errors", "skipped", "disabled", "time", "timestamp", "hostname", "id",
         "package"},
        {"properties", "testcase", "system-out", "system-err"},
    ),
    "properties": (set(), set(), {"property"}),
    "property": ({"name", "value"}, set(), set()),
    "testcase": (
        {"name", "classname"},
        {"assertions", "time", "status"},
        {"skipped", "error", "failure", "system-out", "system-err"},
    ),
    "failure": (set(), {"type", "message"}, set()),
    "error": (set(), {"type", "message"}, set()),
    "system-out": (set(), set(), set()),
}  # fmt: skip


def check_junit(text: str) -> ET.Element:
    """Its one suite, once the structure is the schema's and every count that of the elements."""
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n') and text.endswith(">\n")
    root = ET.fromstring(text.encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        needed, more, children = SCHEMA[element.tag]
        assert needed <= set(element.attrib) <= needed | more, element.tag
        assert {child.tag for child in element} <= children, element.tag
    (suite,) = root
    for holder in (root, suite):
        cases = list(holder.iter("testcase"))
        found = [len(cases)] + [
            sum(case.find(tag) is not None for case in cases) for tag in ("failure", "error")
        ]
        assert [int(holder.attrib[key]) for key in ("tests", "failures", "errors")] == found
    return suite
