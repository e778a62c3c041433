"""Support for HTML and CSS in mail clients: the tests of caniemail.com (MIT), joined with a page."""

from __future__ import annotations
