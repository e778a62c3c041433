"""The command line: ``pillarbox`` and ``pillarbox-sendmail``."""

from __future__ import annotations
