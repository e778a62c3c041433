"""The replies of a listener that does not accept a client, or ends its session.

All of them can be waited out, so all of them are 4xx, except for a wrong password (RFC 5321 §4.2,
RFC 3463).
"""

from __future__ import annotations

from typing import Final

from pillarbox.smtp.reply import Reply

__all__ = [
    "BAD_PASSWORD",
    "LOGIN_BUSY",
    "LOGIN_ENDED",
    "NO_FILES_LEFT",
    "SLOW_CONTENT",
    "TLS_UNAVAILABLE",
    "TOO_MANY_CONNECTIONS",
    "TOO_MANY_FROM_CLIENT",
    "TOO_MANY_LOGINS",
    "TOO_MANY_UNKNOWN",
    "WAITED_FOR_MEMORY",
]

_of = Reply.of

TOO_MANY_CONNECTIONS: Final = _of(421, "4.3.2", "Too many connections, try later", closes=True)
TOO_MANY_FROM_CLIENT: Final = _of(421, "4.7.0", "Too many connections from you", closes=True)
NO_FILES_LEFT: Final = _of(421, "4.3.2", "System is short of resources", closes=True)
TLS_UNAVAILABLE: Final = _of(454, "4.7.0", "TLS is not available now")
BAD_PASSWORD: Final = _of(535, "5.7.8", "Authentication credentials invalid")
LOGIN_BUSY: Final = _of(454, "4.7.0", "Temporary authentication failure")
LOGIN_ENDED: Final = _of(421, "4.7.0", "Your login is no longer valid", closes=True)
TOO_MANY_LOGINS: Final = _of(421, "4.7.0", "Too many failed logins, try later", closes=True)
TOO_MANY_UNKNOWN: Final = _of(421, "4.7.0", "Too many unknown recipients", closes=True)
SLOW_CONTENT: Final = _of(421, "4.4.2", "The message came too slowly", closes=True)
WAITED_FOR_MEMORY: Final = _of(452, "4.3.1", "System is short of memory, try again later")
