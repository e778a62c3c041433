"""DKIM keys: stored, published, rotated, and chosen for the mail they sign."""

from __future__ import annotations
