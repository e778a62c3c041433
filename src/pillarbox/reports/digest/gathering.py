"""Collects reports from files and directories: XML, JSON, gzip, zip, messages, mboxes, Maildirs.

Each file is read by itself and bounded; an unreadable one is named and skipped. A report that
appears twice, by its reporter and its id, counts once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pillarbox.mailauth import dmarc_report, tls_rpt
from pillarbox.message.mbox import read_mbox
from pillarbox.reports.received import read_values

__all__ = ["Gathered", "gather"]

_LARGEST: Final = 256 * 1024 * 1024  # octets of one file, which may be an mbox of a year
_MOST_FILES: Final = 100_000
_MBOX: Final = b"From "
_REPORTS: Final = (b"<", b"{", b"\xef\xbb\xbf<", b"\x1f\x8b", b"PK\x03\x04")


@dataclass(slots=True)
class Gathered:
    """What was found."""

    dmarc: list[dmarc_report.Report] = field(default_factory=list)
    tls: list[tls_rpt.Report] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)  # where, and why
    doubles: int = 0
    files: int = 0
    strangers: int = 0  # files of a folder that are something else
    _seen: set[tuple[str, str, str]] = field(default_factory=set)

    def add(self, where: str, octets: bytes) -> None:
        """Read what is in a file or a mail."""
        values = read_values(octets)
        if values.refusal or not (values.dmarc or values.tls):
            self.refused.append((where, values.refusal or "there is no report in it"))
        for read in values.dmarc:
            report = read.report
            if report and self._is_new("dmarc", report.organization, report.report_id):
                self.dmarc.append(report)
        for tls in values.tls:
            if self._is_new("tls", tls.organization, tls.report_id):
                self.tls.append(tls)

    def _is_new(self, kind: str, organization: str, report_id: str) -> bool:
        key = kind, organization, report_id
        if report_id and key in self._seen:
            self.doubles += 1
            return False
        self._seen.add(key)
        return True


def gather(paths: Iterable[Path]) -> Gathered:
    """Read all reports in files and in folders, with the folders below them; never raises."""
    gathered = Gathered()
    for path in paths:
        for file in _files(path):
            if gathered.files >= _MOST_FILES:
                gathered.refused.append((str(path), f"more than {_MOST_FILES:,} files"))
                return gathered
            gathered.files += 1
            _read(file, gathered, is_named=file == path)
    return gathered


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for file in sorted(path.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.is_file() and not hidden:
            yield file


def _read(file: Path, gathered: Gathered, *, is_named: bool) -> None:
    try:
        with file.open("rb") as opened:
            octets = opened.read(_LARGEST + 1)
    except OSError as error:
        gathered.refused.append((str(file), error.strerror or str(error)))
        return
    if len(octets) > _LARGEST:
        gathered.refused.append((str(file), f"it is larger than {_LARGEST:,} octets"))
    elif octets.startswith(_MBOX):
        for number, mail in enumerate(read_mbox(octets), 1):
            gathered.add(f"{file}, mail {number}", mail)
    elif not is_named and not octets.lstrip()[:8].startswith(_REPORTS) and not _is_mail(octets):
        gathered.strangers += 1
    else:
        gathered.add(str(file), octets)


def _is_mail(octets: bytes) -> bool:
    """Whether this begins with a header field."""
    name, colon, _ = octets[:80].partition(b":")
    return bool(colon) and name.replace(b"-", b"").isalnum()
