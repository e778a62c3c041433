"""Delivery status notifications (RFC 3464)."""

from __future__ import annotations
from enum import Enum

__all__ = ["Action"]


class Action(Enum):
    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    RELAYED = "relayed"
    EXPANDED = "expanded"
