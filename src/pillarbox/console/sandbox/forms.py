"""Parses what pages send: ids in paths, and forms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from pillarbox.errors import PermanentError
from pillarbox.store.ids import parse_id
from pillarbox.store.port import MessageId
from pillarbox.web.problems import Problem

__all__ = ["Form", "message_id", "read_form"]

_TYPE: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 20_000


class Form:
    """The fields of a form."""

    def __init__(self, fields: list[tuple[str, str]]) -> None:
        """Hold fields in their order."""
        self._fields: Mapping[str, str] = dict(fields)
        self._ids = [value for name, value in fields if name == "ids" and value]

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str, default: str = "") -> str:
        """Return a field without outer blanks; ``default`` if it is empty or missing."""
        return self._fields.get(name, "").strip() or default

    def words(self, name: str) -> tuple[str, ...]:
        """Return the items of a list separated by commas or line ends."""
        parts = self._fields.get(name, "").replace("\n", ",").split(",")
        return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))

    def number(self, name: str, default: float = 0.0) -> float:
        """Return a number.

        Raises:
            Problem: It is not a number.
        """
        text = self.text(name)
        try:
            number = float(text) if text else default
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise Problem(422, f"{name}: {text[:40]!r} is not a number.")
        return number

    def ids(self) -> frozenset[MessageId]:
        """Return the selected mails: from several fields, or one with commas."""
        names = [name for value in self._ids for name in value.split(",") if name]
        return frozenset(message_id(name) for name in names)


async def read_form(request: Request) -> Form:
    """Read a form.

    Raises:
        Problem: It is not a form, or has too many fields.
    """
    if not request.headers.get("content-type", "").startswith(_TYPE):
        raise Problem(415, "This request must be a form.")
    body = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Problem(413, f"A form can have up to {_MOST_FIELDS} fields.") from None
    return Form(fields)


def message_id(name: str) -> MessageId:
    """Read the id of a mail in a path or a form.

    Raises:
        Problem: It is not a valid id.
    """
    try:
        return parse_id(name)
    except PermanentError:
        raise Problem(404, f"There is no message {name[:40]!r}.") from None
