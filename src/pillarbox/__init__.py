"""pillarbox: a self-hosted system for sending and receiving mail by SMTP.

``ARCHITECTURE.md`` shows how mail flows through the packages. ``pillarbox.smtp``,
``pillarbox.message`` and ``pillarbox.mailauth`` may be used as libraries; all else is internal.
"""

from __future__ import annotations

from typing import Final

__all__ = ["__version__"]

__version__: Final = "0.1.0"
