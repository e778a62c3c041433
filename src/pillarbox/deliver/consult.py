"""The port for consultants, which are asked before a delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pillarbox.deliver.job import Job
from pillarbox.policy.ruling import Ruling

__all__ = ["Consult"]

Consult = Callable[[Job], Awaitable[Ruling] | None]
"""Decides whether a job may go; None if there is nothing to decide, to avoid an await.

A ruling with a reply defers or bounces the job, a hold ruling holds it, and any other lets it go.
It never raises.
"""
