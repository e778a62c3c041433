"""What the clients make of HTML and CSS: the tests of caniemail.com (MIT), joined with a page."""

from __future__ import annotations
