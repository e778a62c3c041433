"""Unpacks a report: gzip, zip, or neither.

Senders are not trusted. The output is at most ``max_size`` octets and at most ``max_ratio`` times
the input (except for small reports); only one entry of a zip file is read, and nested archives are
not unpacked. Time and memory are bounded by the same limits.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from dataclasses import dataclass
from typing import Final

from pillarbox.errors import PermanentError

__all__ = ["DEFAULT_REPORT_LIMITS", "ReportLimits", "ReportRefused", "unpack"]

_GZIP: Final = b"\x1f\x8b"
_ZIP: Final = b"PK\x03\x04"
_MAX_MEMBERS: Final = 16  # concatenated gzip members
_MAX_ENTRIES: Final = 16  # of a zip file
_PLAIN_FLAGS: Final = 0x1  # set in an entry that is encrypted


class ReportRefused(PermanentError):  # noqa: N818 - reads as what it says
    """A report that is refused; the message says why."""


@dataclass(frozen=True, slots=True)
class ReportLimits:
    """The size limits of a report."""

    max_packed: int = 10 * 1024 * 1024  # octets as it was sent
    max_size: int = 10 * 1024 * 1024  # octets unpacked
    max_ratio: int = 100
    free_size: int = 1024 * 1024  # octets unpacked to which the ratio does not apply
    max_elements: int = 200_000  # some 14,000 rows, which take most of a second

    def allowed(self, packed: int) -> int:
        """Return how many octets this many packed octets may unpack to."""
        return min(self.max_size, max(packed * self.max_ratio, self.free_size))


DEFAULT_REPORT_LIMITS: Final = ReportLimits()


def unpack(octets: bytes, limits: ReportLimits = DEFAULT_REPORT_LIMITS) -> bytes:
    """Return the unpacked octets; input that is not packed is returned unchanged.

    Raises:
        ReportRefused: It is too large, grows too much, or is damaged.
    """
    if len(octets) > limits.max_packed:
        raise ReportRefused(f"it is larger than {limits.max_packed} octets")
    if octets.startswith(_GZIP):
        octets = _gunzip(octets, limits.allowed(len(octets)))
    elif octets.startswith(_ZIP):
        octets = _unzip(octets, limits.allowed(len(octets)))
    elif len(octets) > limits.max_size:
        raise ReportRefused(f"it is larger than {limits.max_size} octets")
    if octets.startswith((_GZIP, _ZIP)):
        raise ReportRefused("it is packed more than once")
    return octets


def _gunzip(octets: bytes, allowed: int) -> bytes:
    """Unpack the members of a gzip file (RFC 1952 §2.2) and ignore anything after the last."""
    parts: list[bytes] = []
    size = 0
    for _ in range(_MAX_MEMBERS):
        unpacker = zlib.decompressobj(wbits=31)
        try:
            parts.append(unpacker.decompress(octets, allowed + 1 - size))
        except zlib.error as error:
            if parts:
                break  # not another member, but garbage after the last
            raise ReportRefused(f"the gzip file is damaged: {error}") from None
        size += len(parts[-1])
        if size > allowed:
            raise ReportRefused(f"it grows to more than {allowed} octets")
        if not unpacker.eof:
            raise ReportRefused("the gzip file is cut off")
        octets = unpacker.unused_data
        if not octets.startswith(_GZIP):
            break
    return b"".join(parts)


def _unzip(octets: bytes, allowed: int) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            entry = _entry(archive.infolist())
            with archive.open(entry) as source:
                content = source.read(allowed + 1)
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
    ) as error:
        raise ReportRefused(f"the zip file is damaged: {error}") from None
    if len(content) > allowed:
        raise ReportRefused(f"it grows to more than {allowed} octets")
    return content


def _entry(entries: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    """Return the entry to read: the first with a name in .xml, or the only one."""
    files = [entry for entry in entries if not entry.is_dir()]
    if not files or len(entries) > _MAX_ENTRIES:
        raise ReportRefused(f"the zip file has {len(files)} files, and should have one")
    named = [entry for entry in files if entry.filename.lower().endswith(".xml")]
    entry = (named or files)[0]
    if entry.flag_bits & _PLAIN_FLAGS:
        raise ReportRefused("the zip file is encrypted")
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ReportRefused("the zip file is packed in a way that is not read")
    return entry
