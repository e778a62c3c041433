"""Rules for attachments: what providers refuse, and names that disguise."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator
from typing import Final

from pillarbox.findings import Level
from pillarbox.message.mail import Attachment
from pillarbox.message.tree import Node
from pillarbox.preflight.assessment import Aspect, Judged
from pillarbox.preflight.letter import Letter, judged

__all__ = ["RULES"]

# What Gmail does not take, in archives neither (support.google.com/mail/answer/6590).
_REFUSED: Final = frozenset(
    [
        "ade",
        "adp",
        "apk",
        "appx",
        "appxbundle",
        "bat",
        "cab",
        "chm",
        "cmd",
        "com",
        "cpl",
        "diagcab",
        "diagcfg",
        "diagpkg",
        "dll",
        "dmg",
        "ex",
        "ex_",
        "exe",
        "hta",
        "img",
        "ins",
        "iso",
        "isp",
        "jar",
        "jnlp",
        "js",
        "jse",
        "lib",
        "lnk",
        "mde",
        "mjs",
        "msc",
        "msi",
        "msix",
        "msixbundle",
        "msp",
        "mst",
        "nsh",
        "pif",
        "ps1",
        "scr",
        "sct",
        "shb",
        "sys",
        "vb",
        "vbe",
        "vbs",
        "vhd",
        "vxd",
        "wsc",
        "wsf",
        "wsh",
        "xll",
    ]
)
_MACROS: Final = frozenset(
    ["docm", "dotm", "xlsm", "xltm", "xlam", "xlsb", "pptm", "potm", "ppam", "ppsm", "sldm"]
)
_DISTRUSTED: Final = frozenset(
    {"htm", "html", "shtml", "xhtml", "svg", "xht", "mht", "mhtml", "one"}
)
_LOOKS_HARMLESS: Final = frozenset(
    ["pdf", "doc", "docx", "xls", "xlsx", "ppt", "txt", "jpg", "jpeg", "png", "gif", "mp3", "csv"]
)
_TURNS: Final = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f]")
_EXECUTABLE: Final = b"MZ"
_ELF: Final = b"\x7fELF"
_ZIP: Final = b"PK\x03\x04"
_ENCRYPTED: Final = 0x01  # of the flags of a local file header (APPNOTE 4.4.4)
_FLAGS_AT: Final = 6
_HEAD: Final = 64  # octets of a file that are looked at


def _refused(letter: Letter) -> Iterator[Judged]:
    found = [
        one
        for one in _files(letter)
        if _extension(one) in _REFUSED or _head(one.node).startswith((_EXECUTABLE, _ELF))
    ]
    if found:
        yield _one(
            Level.ERROR,
            701,
            f"{_names(found)} is a program, or may contain one",
            "Gmail, Outlook and others reject the message (552 5.7.0), even if the file is in an "
            "archive.",
            "Put the file on a server, and send a link.",
            found,
            tenths=20,
        )


def _disguised(letter: Letter) -> Iterator[Judged]:
    found = []
    for one in _files(letter):
        parts = one.node.filename.lower().split(".")
        is_double = (
            len(parts) > 2  # noqa: PLR2004 - a name and two extensions
            and parts[-2] in _LOOKS_HARMLESS
            and parts[-1] in _REFUSED | _DISTRUSTED | _MACROS
        )
        if is_double or _TURNS.search(one.node.filename):
            found.append(one)
    if found:
        yield _one(
            Level.ERROR,
            702,
            f"The name of {_names(found)} disguises its type",
            "Malware uses a second extension, or characters that reverse the name.",
            "Give the file a plain name with a single extension.",
            found,
            tenths=15,
        )


def _distrusted(letter: Letter) -> Iterator[Judged]:
    macros = [one for one in _files(letter) if _extension(one) in _MACROS]
    if macros:
        yield _one(
            Level.WARNING,
            703,
            f"{_names(macros)} is a document with macros",
            "Many companies quarantine such messages, and Office blocks the macros.",
            "Save it without macros (docx, xlsx, pptx), or as a PDF.",
            macros,
            tenths=5,
        )
    pages = [one for one in _files(letter) if _extension(one) in _DISTRUSTED]
    if pages:
        yield _one(
            Level.WARNING,
            704,
            f"{_names(pages)} is a page or image that can run scripts",
            "Phishing uses such files, so many filters hold them back.",
            "Send a PDF, or a link.",
            pages,
            tenths=5,
        )


def _locked(letter: Letter) -> Iterator[Judged]:
    found = [one for one in _files(letter) if _is_encrypted_zip(_head(one.node))]
    if found:
        yield _one(
            Level.WARNING,
            705,
            f"{_names(found)} is an archive with a password",
            "No filter can look inside, so Gmail and many companies reject it.",
            "Put the file on a server that requires a login, and send a link.",
            found,
            tenths=7,
        )


def _nameless(letter: Letter) -> Iterator[Judged]:
    found = [
        one
        for one in _files(letter)
        if not one.node.filename and not one.media_type.startswith(_TYPES_THAT_SPEAK)
        and one.media_type not in _NO_NAME_NEEDED
    ]  # fmt: skip
    if found:
        yield judged(
            Aspect.ATTACHMENTS,
            Level.WARNING,
            706,
            f"{len(found)} attachment{'s have' if len(found) > 1 else ' has'} no file name",
            "Readers see “noname” or “ATT00001”, and may be unable to open it.",
            'Content-Disposition: attachment; filename="invoice.pdf"',
            tenths=3,
            evidence=tuple(f"part {one.number}: {one.media_type}" for one in found[:5]),
        )


_TYPES_THAT_SPEAK: Final = ("message/", "multipart/", "text/", "image/")
_NO_NAME_NEEDED: Final = frozenset(
    [
        "application/pgp-signature",
        "application/pgp-encrypted",
        "application/pkcs7-signature",
        "application/x-pkcs7-signature",
        "application/ics",
        "application/pkcs7-mime",
    ]
)


def _files(letter: Letter) -> tuple[Attachment, ...]:
    return letter.mail.attachments


def _extension(one: Attachment) -> str:
    return one.node.filename.rpartition(".")[2].lower().strip() if "." in one.node.filename else ""


def _head(node: Node) -> bytes:
    """Return the first octets of a file, without decoding all of it."""
    start = node.octets[node.body_start : min(node.end, node.body_start + 4 * _HEAD)]
    if node.encoding == "base64":
        letters = b"".join(start.split())
        try:
            return binascii.a2b_base64(letters[: len(letters) // 4 * 4])
        except binascii.Error:
            return b""
    return start


def _is_encrypted_zip(head: bytes) -> bool:
    return head.startswith(_ZIP) and len(head) > _FLAGS_AT and bool(head[_FLAGS_AT] & _ENCRYPTED)


def _names(found: list[Attachment]) -> str:
    first = found[0].shown_name or f"part {found[0].number}"
    return first if len(found) == 1 else f"{first} (and {len(found) - 1} more)"


def _one(
    level: Level,
    number: int,
    what: str,
    why: str,
    fix: str,
    found: list[Attachment],
    *,
    tenths: int,
) -> Judged:
    return judged(
        Aspect.ATTACHMENTS,
        level,
        number,
        what,
        why,
        fix,
        tenths=tenths,
        evidence=tuple(
            f"part {one.number}: {one.shown_name or '(no name)'}, {one.media_type}"
            for one in found[:5]
        ),
    )


RULES: Final[tuple[Callable[[Letter], Iterator[Judged]], ...]] = (
    _refused,
    _disguised,
    _distrusted,
    _locked,
    _nameless,
)
