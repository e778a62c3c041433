"""The port for consultants, which are asked before a delivery."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pillarbox.deliver.job import Job
from pillarbox.policy.ruling import Ruling

__all__ = ["Consult"]

Consult = Callable[[Job], Awaitable[Ruling] | None]
"""Says whether a job may go; None where there is nobody to ask, so that nothing is awaited.

A ruling with a reply puts the job off or bounces it, one to hold holds it; any other lets
it go. It is never raised.
"""
