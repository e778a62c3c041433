"""The search language: one for the sandbox, activity and the queue. PURE."""

from __future__ import annotations
