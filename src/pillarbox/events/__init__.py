"""The one list of events; logs, metrics, histories and webhooks are views of it."""

from __future__ import annotations
