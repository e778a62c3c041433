"""Many reports read as one: who sends as a domain, what a policy would cost, what to publish."""

from __future__ import annotations
