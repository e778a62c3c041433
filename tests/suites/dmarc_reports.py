"""The aggregate reports of parsedmarc and OpenDMARC: read, or refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from tests.suites.registry import Case, Suite

from pillarbox.mailauth.dmarc_report import ReportForm, build_report, pack_report, read_report

__all__ = ["SUITES"]

# Messages, and those of them for which DMARC passed; None: to be refused.
_PARSEDMARC: Final[Mapping[str, tuple[int, int] | None]] = {
    "!example.com!1538204542!1538463818.xml": (1, 0),
    "!large-example.com!1711897200!1711983600.xml": (2_286, 0),
    "addisonfoods.com!example.com!1536105600!1536191999.xml": (1, 0),
    "empty_reason.xml": (2, 2),
    "example.net!example.com!1529366400!1529452799.xml": (1, 0),
    "ikea.com!example.de!1538690400!1538776800.xml": None,  # it is cut off
    "invalid_utf_8.xml": (1, 0),
    "invalid_xml.xml": None,
    "old_draft_from_wiki.xml": (2, 2),
    "protection.outlook.com!example.com!1711756800!1711843200.xml": (1, 0),
    "rfc9990-example.net!example.com!1700000000!1700086399.xml": (7, 5),
    "rfc9990-sample.xml": (123, 123),
    "usssa.com!example.com!1538784000!1538870399.xml": (2, 0),
    "veeam.com!example.com!1530133200!1530219600.xml": (1, 0),
}
_OPENDMARC: Final[Mapping[str, tuple[int, int] | None]] = {
    "163.com!example.com!1337270400!1337356799.20120518163.xml": (92, 46),
    "bad.com!example.com!1337140800!1337227200.xml": None,
    "good.com!example.com!1337270400!1337356799.xml": (61_787, 60_350),
    "yeah.net!example.com!1337270400!1337356799.20120518.xml": (17_352, 17_179),
}


def _cases(expected: Mapping[str, tuple[int, int] | None], folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.xml")):
        yield Case(path.name, partial(_check, path, expected))


def _check(path: Path, expected: Mapping[str, tuple[int, int] | None]) -> str:
    read = read_report(path.read_bytes())
    if read.report is None:
        return "" if expected[path.name] is None else f"refused: {read.refusal}"
    found = read.report.messages, read.report.passed
    if found != expected[path.name]:
        return f"expected {expected[path.name]}, found {found}"
    is_new = bool(read.report.policy.discovery_method)
    xml = build_report(read.report, ReportForm.RFC9990 if is_new else ReportForm.RFC7489)
    again = read_report(pack_report(read.report, xml, receiver="mx.example.org").content)
    if again.report is None or again.report.rows != read.report.rows:
        return "it is not the same when it is written and read again"
    return ""


SUITES: Final = (
    Suite("dmarc-reports-opendmarc/reports", partial(_cases, _OPENDMARC)),
    Suite("dmarc-reports-parsedmarc/reports", partial(_cases, _PARSEDMARC)),
)
