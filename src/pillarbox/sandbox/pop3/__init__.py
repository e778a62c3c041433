"""POP3, so that mail programs can fetch what the sandbox has caught."""

from __future__ import annotations
