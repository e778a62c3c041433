"""The one list of what can happen; logs, metrics, histories and webhooks are views of it."""

from __future__ import annotations
