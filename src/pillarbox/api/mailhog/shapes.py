"""Converts the sandbox's values into MailHog's JSON, with MailHog's names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pillarbox.api.times import rfc3339
from pillarbox.inbox.values import Summary
from pillarbox.message.mail import Mail, read_fields
from pillarbox.message.tree import Node
from pillarbox.store.ids import show_id

__all__ = ["show_message", "show_messages"]

Shape = dict[str, Any]
_DEEPEST: Final = 20


def show_messages(items: Iterable[Shape], *, total: int, start: int) -> Shape:
    """Return a list, as version 2 has it."""
    rows = list(items)
    return {"total": total, "count": len(rows), "start": start, "items": rows}


def show_message(summary: Summary, mail: Mail, content: bytes) -> Shape:
    """Return a message: MailHog gives its content as it came, not decoded."""
    tree = _content(mail.tree, _DEEPEST)
    return {
        "ID": show_id(summary.id),
        "From": _path(summary.reverse_path),
        "To": [_path(recipient) for recipient in summary.recipients],
        "Content": {**tree, "MIME": None, "Size": len(content)},
        "Created": rfc3339(summary.at),
        "MIME": tree["MIME"],
        "Raw": {
            "From": summary.reverse_path,
            "To": list(summary.recipients),
            "Data": _text(content),
            "Helo": "",
        },
    }


def _path(address: str) -> Shape:
    mailbox, _, domain = address.rpartition("@")
    return {
        "Relays": None,
        "Mailbox": mailbox or domain,
        "Domain": domain if mailbox else "",
        "Params": "",
    }


def _content(node: Node, depth: int) -> Shape:
    headers: dict[str, list[str]] = {}
    for field in read_fields(node):
        lines = field.raw.decode("utf-8", "replace").splitlines()
        headers.setdefault(field.name, []).append(" ".join(line.strip() for line in lines).strip())
    is_parent = bool(node.children) and depth > 0
    return {
        "Headers": headers,
        "Body": _text(node.octets[node.body_start : node.end]),
        "Size": node.end - node.body_start,
        "MIME": {"Parts": [_content(child, depth - 1) for child in node.children]}
        if is_parent
        else None,
    }


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")
