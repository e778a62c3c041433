"""Mails, mailboxes and pages of MimeKit, enmime, Mail, Haraka and writers of templates."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from tests.suites.registry import Case, Suite

from pillarbox.message.codes import codes_in
from pillarbox.message.explanations import explain_field
from pillarbox.message.links import links_in
from pillarbox.message.mail import Mail, read_mail
from pillarbox.message.mbox import read_mbox
from pillarbox.message.plain import html_to_text
from pillarbox.message.summary import summarize
from pillarbox.message.transfer import decode_transfer
from pillarbox.message.tree import Node

__all__ = ["SUITES"]

_SECONDS_EACH_MEBIBYTE: Final = 1.0
_NO_MAIL: Final = frozenset({".json", ".jpg", ".png", ".gif", ".tiff", ".zip", ".pdf", ".md"})


# --- everything is shown, and nothing crashes -----------------------------------------------


def _read(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in _NO_MAIL:
            yield Case(str(path.relative_to(folder)), partial(_show, path))


def _show(path: Path) -> str:
    octets = path.read_bytes()
    if path.suffix in {".html", ".mjml"}:
        octets = b"Content-Type: text/html; charset=utf-8\r\n\r\n" + octets
    began = time.process_time()
    mail = read_mail(octets)
    summary = summarize(octets)
    links_in(mail)
    codes_in(mail)
    for field in mail.fields:
        explain_field(field.name, field.value)
    spent = time.process_time() - began
    if spent > max(1.0, len(octets) / 2**20) * _SECONDS_EACH_MEBIBYTE:
        return f"took {spent:.1f} s for {len(octets)} octets"
    if summary.subject != mail.subject or summary.attachments != len(mail.attachments):
        return "the summary says something else than the mail"
    return _of_tree(mail) or _of_page(path, mail)


def _of_tree(mail: Mail) -> str:
    """Say what is wrong with the tree: each part lies within its parent, and has a number."""
    nodes = list(mail.tree.walk())
    if [node.number for node in nodes] != list(range(1, len(nodes) + 1)):
        return "the parts are not numbered one after the other"
    for node in nodes:
        for child in node.children:
            is_within = node.body_start <= child.start <= child.body_start <= child.end <= node.end
            if child.octets is node.octets and not is_within:
                return f"part {child.number} does not lie within part {node.number}"
    return ""


def _of_page(path: Path, mail: Mail) -> str:
    if path.suffix != ".html" or mail.html is None:
        return ""
    text = html_to_text(mail.html)
    if ("</" in text or "<td" in text) and "&lt;" not in mail.html:
        return "markup is left in the text"
    is_empty = not mail.html or "<body></body>" in mail.html
    return "" if text or is_empty else "no text is left of the page"


# --- what the suites say of structure and content -------------------------------------------


def _mailboxes(folder: Path) -> Iterator[Case]:
    for name in ("content-length", "issue1189"):
        octets = (folder / "mbox" / f"{name}.mbox.txt").read_bytes()
        summary = (folder / "mbox" / f"{name}-summary.txt").read_text(encoding="utf-8")
        expected = _messages(summary)
        mails = list(read_mbox(octets))
        for number, each in enumerate(expected):
            yield Case(f"{name} {number}", partial(_structure, mails, number, each))
        yield Case(f"{name} count", partial(_count, len(mails), len(expected)))


def _messages(summary: str) -> list[list[str]]:
    """Return the lines of each message in a summary of MimeKit."""
    messages: list[list[str]] = []
    for line in summary.splitlines():
        if line.startswith("From "):
            messages.append([])
        elif line.strip():
            messages[-1].append(line)
    return messages


def _count(found: int, expected: int) -> str:
    return "" if found == expected else f"expected {expected} mails, found {found}"


def _structure(mails: list[bytes], number: int, expected: list[str]) -> str:
    if number >= len(mails):
        return "the mail was not found"
    mail = read_mail(mails[number])
    found = list(_types(mail.tree, 0))
    wanted = [line for line in expected if line.lstrip().startswith("Content-Type:")]
    if [line.lower() for line in found] != [line.lower() for line in wanted]:
        return f"expected {wanted}, found {found}"
    subjects = [line[9:] for line in expected if line.startswith("Subject: ")]
    return (
        "" if subjects in ([], [mail.subject]) else f"expected {subjects}, found {mail.subject!r}"
    )


def _types(node: Node, depth: int) -> Iterator[str]:
    yield f"{'   ' * depth}Content-Type: {node.media_type}"
    for child in node.children:
        yield from _types(child, depth + 1)


def _encoders(folder: Path) -> Iterator[Case]:
    for encoded, encoding, plain in (
        ("photo.b64", "base64", "photo.jpg"),
        ("wikipedia.qp", "quoted-printable", "wikipedia.txt"),
        ("photo.uu", "x-uuencode", "photo.uu"),  # left alone
    ):
        yield Case(encoded, partial(_decoded, folder / "encoders", encoded, encoding, plain))


def _decoded(folder: Path, encoded: str, encoding: str, plain: str) -> str:
    found = decode_transfer((folder / encoded).read_bytes(), encoding)
    return "" if found == (folder / plain).read_bytes() else "decoded to something else"


# What enmime wrote from known values, and what they are: text, HTML, names and sizes of files.
_GOLDEN: Final[Mapping[str, tuple[str | None, str | None, tuple[tuple[str, int], ...]]]] = {
    "build-qp-addr-headers.golden": ("", None, ()),
    "nocontent-with-children.golden": ("Plain text part", "<div>HTML part</div>", ()),
    "part-bin-content.golden": (None, None, (("", 2000),)),
    "part-bin-header.golden": (
        "This is a test of a plain text part.\n\nAnother line.\n", None, (),
    ),
    "part-content-only-qp.golden": ("☆ No header, only content.", None, ()),
    "part-default-headers.golden": (None, None, (("stuff.zip", 9),)),
    "part-file-mod-date.golden": ("¡Hola, señor! Welcome to MIME", None, ()),
    "part-header-only.golden": ("", None, ()),
    "part-header-only-default-encoding.golden": ("", None, ()),
    "part-plain.golden": ("This is a test of a plain text part.\n\nAnother line.\n", None, ()),
    "part-quotable-content.golden": ("Hello=", None, ()),
    "part-quoted-content.golden": ("¡Hola, señor! Welcome to MIME", None, ()),
    "part-quoted-headers.golden": (None, None, (('árvíztűrő "x" tükörfúrógép.zip', 9),)),
    "part-quoted-printable-headers.golden": (None, None, (('árvíztűrő "x" tükörfúrógép.zip', 9),)),
    "part-with-children.golden": ("Plain text part", "<div>HTML part</div>", ()),
    "parser-raw-content-text-option-false.raw.golden": ("\n\n添付ファイル名テスト\n", None, ()),
    "utf8-to.raw.golden": ("This is a test mailing\n", None, ()),
}  # fmt: skip
_PEOPLE: Final = {
    "build-qp-addr-headers.golden": ["Patrik Fältström", "Keld Jørn Simonsen"],
    "utf8-to.raw.golden": ["Jøhn Døe"],
}


def _golden(folder: Path) -> Iterator[Case]:
    for name in _GOLDEN:
        yield Case(name, partial(_written, folder / "encode" / name))


def _written(path: Path) -> str:
    mail = read_mail(path.read_bytes())
    files = (*mail.attachments, *mail.inlines)
    found = mail.text, mail.html, tuple((each.node.filename, each.size) for each in files)
    if found != _GOLDEN[path.name]:
        return f"expected {_GOLDEN[path.name]}, found {found}"
    people = [person.name for person in mail.to]
    return "" if people == _PEOPLE.get(path.name, people) else f"found {people}"


SUITES: Final = (
    Suite("mime-enmime/golden", _golden),
    Suite("mime-enmime/read", _read),
    Suite("mime-haraka/read", _read),
    Suite("mime-mikel-mail/read", _read),
    Suite("mime-mimekit/encoders", _encoders),
    Suite("mime-mimekit/mbox", _mailboxes),
    Suite("mime-mimekit/read", _read),
    Suite("mime-stalwart-mail-parser/read", _read),
    Suite("html-templates/read", _read),
)
