"""Parses the files that list local recipients and aliases: text in, values and findings out.

A malformed line is an error with its file and number, and is skipped; nothing is raised. ``#``
starts a comment at the start of a line or after a blank. Programs, files and ``:include:`` are not
supported as targets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from pillarbox.findings import Finding, Level
from pillarbox.message.address_list import parse_address_list
from pillarbox.policy.recipients import fold_local_part, has_routing_characters
from pillarbox.smtp.address import Mailbox

__all__ = ["parse_aliases", "parse_recipients"]

_COMMENT: Final = re.compile(r"(?:^|\s)#.*")
_LONGEST_LOCAL_PART: Final = 64  # RFC 5321 §4.5.3.1.1
# RFC 5321 §4.1.2, Dot-string, with UTF-8 (RFC 6531 §3.3). Who needs a quoted one is not here.
_LOCAL_PART: Final = re.compile(
    r"[^\s\x00-\x20\x7f\"(),:;<>@\[\\\].]+(?:\.[^\s\x00-\x20\x7f\"(),:;<>@\[\\\].]+)*"
)


def parse_recipients(text: str, *, file: str) -> tuple[frozenset[str], tuple[Finding, ...]]:
    """Parse a recipients file: one local part per line.

    Args:
        text: The file's content.
        file: Its name, for the findings.

    Returns:
        The local parts, folded, and what is wrong with the file.
    """
    recipients = set()
    findings = []
    for number, line in _lines(text):
        if (problem := _problem(line)) is not None:
            findings.append(_finding("PB-RECIPIENTS-001", file, number, line, problem))
        else:
            recipients.add(fold_local_part(line))
    return frozenset(recipients), tuple(findings)


def parse_aliases(
    text: str, *, file: str, domain: str
) -> tuple[dict[str, tuple[Mailbox, ...]], tuple[Finding, ...]]:
    """Parse an aliases file: ``local part: address, address, ...`` in each line.

    Args:
        text: The file's content.
        file: Its name, for the findings.
        domain: The domain of the aliases, and of targets without one.

    Returns:
        The targets by folded local part, and what is wrong with the file.
    """
    aliases: dict[str, tuple[Mailbox, ...]] = {}
    findings = []
    for number, line in _lines(text):
        name, colon, value = line.partition(":")
        key = fold_local_part(name.strip())
        targets: tuple[Mailbox, ...] = ()
        problem = _problem(name.strip()) if colon else "there is no colon"
        if problem is None and key in aliases:
            problem = "this alias stands further up already"
        if problem is None:
            targets, problem = _targets(value, domain)
        if problem is not None:
            findings.append(_finding("PB-RECIPIENTS-002", file, number, line, problem))
        else:
            aliases[key] = targets
    return aliases, tuple(findings)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if content := _COMMENT.sub("", line).strip():
            yield number, content


def _problem(local_part: str) -> str | None:
    """Return what is wrong with a local part, or None."""
    if "@" in local_part:
        return "the domain is known from the configuration: write the local part only"
    if not _LOCAL_PART.fullmatch(local_part):
        return f"{local_part!a} is not a local part"
    if len(local_part.encode()) > _LONGEST_LOCAL_PART:
        return f"the local part is longer than {_LONGEST_LOCAL_PART} octets"
    return None


def _targets(value: str, domain: str) -> tuple[tuple[Mailbox, ...], str | None]:
    """Return the addresses that an alias stands for, and what is wrong with them."""
    addresses = [part.strip() for part in value.split(",") if part.strip()]
    if not addresses:
        return (), "the alias stands for nobody"
    for address in addresses:
        if has_routing_characters(address.partition("@")[0]) or address.startswith(":"):
            return (), f"{address!a} is no address, and programs and files are not supported"
    whole = ", ".join(text if "@" in text else f"{text}@{domain}" for text in addresses)
    parsed = parse_address_list(whole.encode())
    if parsed.error or parsed.has_group:
        return (), f"the addresses are malformed: {parsed.error or 'a group'}"
    return parsed.mailboxes, None


def _finding(code: str, file: str, number: int, line: str, problem: str) -> Finding:
    return Finding(
        level=Level.ERROR,
        code=code,
        what=f"{file}, line {number}: {problem}.",
        why="The line is left out, and mail for it is refused.",
        fix="Correct the line and reload.",
        evidence=(f"{file}:{number}: {line[:200]!a}",),
    )
