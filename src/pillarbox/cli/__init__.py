"""The commands: ``pillarbox`` and ``pillarbox-sendmail``."""

from __future__ import annotations
