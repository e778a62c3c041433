"""A caught message, as a test sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Final

from pillarbox.inbox.values import Summary
from pillarbox.message.codes import codes_in
from pillarbox.message.links import Link, links_in
from pillarbox.message.mail import Attachment, Mail, read_mail
from pillarbox.message.plain import html_to_text

__all__ = ["CaughtMessage", "Headers"]

_SHOWN_TEXT: Final = 300  # characters of the text in an error


class Headers(Mapping[str, str]):
    """The fields of a header by their names, whatever the case; of several the first."""

    def __init__(self, mail: Mail) -> None:
        """Show the fields of ``mail``, decoded."""
        self._mail = mail

    def __getitem__(self, name: str) -> str:
        values = self._mail.values(name)
        if not values:
            raise KeyError(f"{name}; the mail has {', '.join(self)}")
        return values[0]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(field.name for field in self._mail.fields))

    def __len__(self) -> int:
        return len(set(self))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._mail.values(name))

    def get_all(self, name: str) -> tuple[str, ...]:
        """Return the values of all fields of a name."""
        return self._mail.values(name)


class CaughtMessage:
    """A message, and how the server received it."""

    def __init__(
        self, summary: Summary, read: Callable[[], bytes], recall: Callable[[], Sequence[str]]
    ) -> None:
        """Show a mail.

        Args:
            summary: What the list shows of it.
            read: Returns its octets, when they are wanted.
            recall: Returns the lines of the session that brought it.
        """
        self._summary = summary
        self._read = read
        self._recall = recall

    def __repr__(self) -> str:
        sender = self.envelope_from or "<>"
        to = ", ".join(self.envelope_to)
        return f"<mail from {sender} to {to}: {self.subject!r}>"

    # --- how it came ------------------------------------------------------------------

    @property
    def envelope_from(self) -> str:
        """The reverse-path of MAIL FROM; "" for the null one."""
        return self._summary.reverse_path

    @property
    def envelope_to(self) -> tuple[str, ...]:
        """The recipients of RCPT TO."""
        return self._summary.recipients

    @property
    def tls(self) -> str:
        """The version and cipher of TLS; "" in the clear."""
        return self._summary.tls

    @property
    def auth_user(self) -> str:
        """The user who logged in; "" for nobody."""
        return self._summary.identity

    @property
    def client(self) -> str:
        """The client's address."""
        return self._summary.client

    @property
    def caught_at(self) -> datetime:
        """When it arrived."""
        return datetime.fromtimestamp(self._summary.at, UTC)

    @property
    def conversation(self) -> tuple[str, ...]:
        """The session that brought it, line by line: "C" said by the client, "S" by the server."""
        return tuple(self._recall())

    @property
    def summary(self) -> Summary:
        """Everything that a list shows of it."""
        return self._summary

    # --- what it says -----------------------------------------------------------------

    @cached_property
    def raw(self) -> bytes:
        """Its octets, with the trace field that the server added on top."""
        return self._read()

    @cached_property
    def mail(self) -> Mail:
        """The whole mail, parsed: the MIME tree, calendars, defects."""
        return read_mail(self.raw)

    @cached_property
    def headers(self) -> Headers:
        """The fields of its header, decoded."""
        return Headers(self.mail)

    @property
    def subject(self) -> str:
        """The subject; "" without one."""
        return self._summary.subject

    @property
    def from_(self) -> str:
        """The author's address; "" without one. The name is in ``headers["From"]``."""
        return self._summary.author.address if self._summary.author else ""

    @property
    def to(self) -> tuple[str, ...]:
        """The addresses of To."""
        return tuple(person.address for person in self._summary.to)

    @property
    def cc(self) -> tuple[str, ...]:
        """The addresses of Cc."""
        return tuple(person.address for person in self._summary.cc)

    @property
    def bcc(self) -> tuple[str, ...]:
        """The recipients that are in neither To nor Cc."""
        return tuple(person.address for person in self._summary.bcc)

    @property
    def reply_to(self) -> tuple[str, ...]:
        """The addresses of Reply-To."""
        return tuple(person.address for person in self._summary.reply_to)

    @property
    def text(self) -> str:
        """The plain text; "" where there is none."""
        return self.mail.text or ""

    @property
    def html(self) -> str:
        """The HTML; "" where there is none."""
        return self.mail.html or ""

    @property
    def words(self) -> str:
        """All readable text: the plain text, and the text of the HTML."""
        return "\n".join(filter(None, (self.text, html_to_text(self.html) if self.html else "")))

    @property
    def attachments(self) -> tuple[Attachment, ...]:
        """The attachments: each has ``filename``, ``media_type``, ``content`` and ``size``."""
        return self.mail.attachments

    @property
    def inlines(self) -> tuple[Attachment, ...]:
        """The inline parts of the HTML, such as images."""
        return self.mail.inlines

    # --- what it is for ---------------------------------------------------------------

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """The links that a reader can follow, in their order: each has ``url`` and ``text``."""
        return tuple(link for link in links_in(self.mail) if link.kind == "link")

    def link(self, text: str = "", *, containing: str = "") -> str:
        """Return the first matching link.

        Args:
            text: What the words of the link contain, whatever the case.
            containing: What its address contains.

        Raises:
            AssertionError: There is none; the error lists the existing links.
        """
        for link in self.links:
            if text.casefold() in link.text.casefold() and containing in link.url:
                return link.url
        wanted = " and ".join(
            filter(None, (text and f"the text {text!r}", containing and f"{containing!r} in it"))
        )
        shown = "".join(f"\n  {link.text!r}: {link.url}" for link in self.links) or " no links"
        raise AssertionError(
            f"There is no link{' with ' if wanted else ''}{wanted} in {self!r}. It has:{shown}"
        )

    @cached_property
    def codes(self) -> tuple[str, ...]:
        """Likely one-time codes, the best first."""
        return codes_in(self.mail)

    def code(self, digits: int | None = None) -> str:
        """Return the one-time code.

        Args:
            digits: How many digits it has; None: it may contain letters, too.

        Raises:
            AssertionError: There is none; the text is shown.
        """
        for code in self.codes:
            if digits is None or (code.isdecimal() and len(code) == digits):
                return code
        kind = "code" if digits is None else f"code of {digits} digits"
        others = f" It has {', '.join(self.codes)}." if self.codes else ""
        text = self.words.strip()[:_SHOWN_TEXT]
        raise AssertionError(f"There is no {kind} in {self!r}.{others} Its text:\n{text}")
