"""The hooks that exist. A plugin implements any of them, by name."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

import pluggy

from pillarbox.hooks.answers import Answer
from pillarbox.hooks.subjects import Delivery, Message, Visit

__all__ = ["PROJECT", "Specification", "hook"]

PROJECT: Final = "pillarbox"

_specification: Final = pluggy.HookspecMarker(PROJECT)

hook: Final = pluggy.HookimplMarker(PROJECT)
"""Marks a function as the implementation of the hook of its name."""


class Specification:
    """One method a hook. Each is awaited; None means that there is nothing against it."""

    @_specification
    def connect(self, visit: Visit) -> Awaitable[Answer | None] | None:
        """A client has connected. Its answer counts at MAIL; the greeting waits for nobody."""

    @_specification
    def helo(self, visit: Visit) -> Awaitable[Answer | None] | None:
        """It has said EHLO or HELO. The answer counts at MAIL."""

    @_specification
    def auth(self, visit: Visit) -> Awaitable[Answer | None] | None:
        """It has logged in. The answer counts at MAIL."""

    @_specification
    def mail(self, visit: Visit) -> Awaitable[Answer | None] | None:
        """It wants to send as ``visit.sender``, and the relay policy lets it."""

    @_specification
    def rcpt(self, visit: Visit) -> Awaitable[Answer | None] | None:
        """It names ``visit.recipient``, and the relay policy lets it."""

    @_specification
    def message(self, message: Message) -> Awaitable[Answer | None] | None:
        """The content has come in, and is not kept yet."""

    @_specification
    def before_delivery(self, delivery: Delivery) -> Awaitable[Answer | None] | None:
        """The message is about to leave. A refusal bounces it."""
