"""The root of all errors that pillarbox raises on purpose.

Temporary or permanent is told by type, not by a flag:

* ``PillarboxError``
    * ``TemporaryError``: may go away by waiting (a store that is down, DNS that is silent)
    * ``PermanentError``: will not go away by waiting (a syntax error, a refused setting)

A peer's mistake is a ``Reply`` or an event, not an exception that crosses rooms.
Any exception that is not one of these is a defect in pillarbox.
"""

from __future__ import annotations

__all__ = ["PermanentError", "PillarboxError", "TemporaryError"]


class PillarboxError(Exception):
    """Something that pillarbox knows can go wrong."""


class TemporaryError(PillarboxError):
    """A failure that may go away by waiting; a peer sees it as a 4xx reply."""


class PermanentError(PillarboxError):
    """A failure that stays until somebody changes something; a peer sees it as a 5xx reply."""
