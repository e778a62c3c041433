"""What can come next in a session, for completion and as a hint. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from pillarbox.checkup.talk.steps import MARKS
from pillarbox.smtp.client_extensions import Extensions

__all__ = ["Scene", "Where", "completions", "next_lines"]


class Where(Enum):
    """How far a session has come."""

    CONNECTED = auto()  # greeted, and nothing said
    GREETED = auto()  # EHLO was said
    SENDER = auto()  # MAIL was taken
    RECIPIENT = auto()  # RCPT was taken
    CONTENT = auto()  # the server waits for the message
    CHALLENGED = auto()  # the server waits for an answer to AUTH


@dataclass(frozen=True, slots=True)
class Scene:
    """A session, as far as that decides what can be said."""

    where: Where
    offered: Extensions
    is_secure: bool
    hello: str
    sender: str = "ann@example.org"
    recipient: str = "bob@example.net"


def next_lines(scene: Scene) -> tuple[str, ...]:
    """Return what is usually said next, the most usual first."""
    offered = scene.offered
    match scene.where:
        case Where.CONNECTED:
            return (f"EHLO {scene.hello}", "QUIT")
        case Where.GREETED:
            lines = [f"MAIL FROM:<{scene.sender}>"]
            if offered.auth:
                lines.insert(0, "/auth")
            if offered.starttls and not scene.is_secure:
                lines.insert(0, "/starttls")
            return (*lines, "QUIT")
        case Where.SENDER:
            return (f"RCPT TO:<{scene.recipient}>", "RSET", "QUIT")
        case Where.RECIPIENT:
            ways = ("DATA", "/text Hello", "/data FILE")
            return (*ways, "/bdat FILE") if offered.chunking else ways
        case Where.CONTENT:
            return (".",)
        case Where.CHALLENGED:
            return ("/b64 ", "*")


def completions(scene: Scene, text: str) -> tuple[str, ...]:
    """Return what a line that begins with ``text`` can become, each once."""
    known = (
        *next_lines(scene),
        *(f"/auth {name} " for name in sorted(scene.offered.auth)),
        *(f"AUTH {name}" for name in sorted(scene.offered.auth)),
        f"EHLO {scene.hello}",
        f"HELO {scene.hello}",
        f"MAIL FROM:<{scene.sender}>",
        f"RCPT TO:<{scene.recipient}>",
        *(("STARTTLS",) if scene.offered.starttls else ()),
        "DATA",
        "RSET",
        "NOOP",
        "VRFY ",
        "HELP",
        "QUIT",
        "< 250",
        *(f"{mark} " for mark in MARKS),
    )
    wanted = text.casefold()
    return tuple(dict.fromkeys(line for line in known if line.casefold().startswith(wanted)))
