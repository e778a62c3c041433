"""List-Unsubscribe as Mailpit reports it: its links, and what is wrong with them (RFC 2369)."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from pillarbox.message.mail import Mail

__all__ = ["show_list_unsubscribe"]

_COMMENT: Final = re.compile(r"\([^()]*\)")
_LINK: Final = re.compile(r"<([^<>]*)>")
_MOST: Final = 2  # one to mail to, one to visit


def show_list_unsubscribe(mail: Mail) -> dict[str, Any]:
    """Return the links of a mail's List-Unsubscribe, and its faults."""
    header = next(iter(mail.values("List-Unsubscribe")), "")
    links, faults = _read(_COMMENT.sub("", header).strip()) if header else ([], [])
    return {
        "Header": header,
        "Links": links,
        "Errors": ", ".join(faults),
        "HeaderPost": next(iter(mail.values("List-Unsubscribe-Post")), ""),
    }


def _read(value: str) -> tuple[list[str], list[str]]:
    found = _LINK.findall(value)
    if not found:
        return [], [f'"{value}" no valid unsubscribe links found']
    if not (value.startswith("<") and value.endswith(">")):
        return [], [f'"{value}" should be enclosed in <>']
    if len(found) > _MOST:
        return [], [f'"{value}" should include a maximum of one email and one HTTP link']
    if any(each.strip() != "," for each in _LINK.split(value)[2:-1:2]):
        return [], [f'"{value}" <> should be split with a comma and optional spaces']
    links: list[str] = []
    faults: list[str] = []
    schemes: set[str] = set()
    for link in found:
        scheme, fault = _check(link, schemes)
        if fault:
            faults.append(fault)
        else:
            schemes.add(scheme)
            links.append(link)
    return links, faults


def _check(link: str, schemes: set[str]) -> tuple[str, str]:
    """Return what kind of link it is, and what is wrong with it."""
    if any(character.isspace() for character in link):
        return "", f'"{link}" should not contain spaces'
    try:
        scheme = urlsplit(link).scheme.replace("https", "http")
    except ValueError:
        scheme = ""
    if scheme not in {"mailto", "http"}:
        return "", f'"{link}" should start with either http(s):// or mailto:'
    if scheme in schemes:
        return (
            "",
            f'"{link}" should only contain one {"mailto:" if scheme == "mailto" else "HTTP link"}',
        )
    return scheme, ""
