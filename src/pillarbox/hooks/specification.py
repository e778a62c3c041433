"""The available hooks. A plugin implements any of them, by name."""

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
"""Marks a function as the implementation of the hook with its name."""


class Specification:
    """One method per hook. Each is awaited; None means accept."""

    @_specification
    def connect(self, visit: Visit) -> Awaitable[Answer | None] | None:
        """A client has connected. The answer takes effect at MAIL; the greeting is not delayed."""

    @_specification
    def helo(self, visit: Visit) -> Awaitable[Answer | None] | None:
        """It has sent EHLO or HELO. The answer takes effect at MAIL."""

    @_specification
    def auth(self, visit: Visit) -> Awaitable[Answer | None] | None:
        """It has logged in. The answer takes effect at MAIL."""

    @_specification
    def mail(self, visit: Visit) -> Awaitable[Answer | None] | None:
        """It wants to send as ``visit.sender``, and the relay policy allows it."""

    @_specification
    def rcpt(self, visit: Visit) -> Awaitable[Answer | None] | None:
        """It names ``visit.recipient``, and the relay policy allows it."""

    @_specification
    def message(self, message: Message) -> Awaitable[Answer | None] | None:
        """The content has been received, but is not stored yet."""

    @_specification
    def before_delivery(self, delivery: Delivery) -> Awaitable[Answer | None] | None:
        """The message is about to leave. A refusal bounces it."""
