"""The statements of this adapter."""

from __future__ import annotations

from typing import Final

from pillarbox.store.statements import statements

__all__ = ["SQL"]

SQL: Final = statements("pillarbox.store.postgres", "queries.sql")
