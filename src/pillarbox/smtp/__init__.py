"""The SMTP protocol without I/O: bytes in, events out, bytes to send."""

from __future__ import annotations
