"""Static files: served from memory under a path that contains the hash of all of them.

One hash for the whole tree lets ES modules and style sheets refer to each other by relative paths,
and lets browsers cache everything for a year: a new release has new paths. Only files in the tree
are served; no request path ever reaches the file system.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

__all__ = ["Assets", "icons", "shipped_assets", "static_router"]

_HASH_CHARACTERS: Final = 12
_KEPT_FOR_A_YEAR: Final = "public, max-age=31536000, immutable"
_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".woff2": "font/woff2",
}
_SYMBOL: Final = re.compile(r'<symbol id="([a-z0-9-]+)">(.*?)</symbol>')


@dataclass(frozen=True, slots=True)
class Assets:
    """The files that browsers ask for, by their path below the hash."""

    version: str  # one hash over all of them
    contents: dict[str, bytes]

    def path(self, name: str) -> str:
        """Return the path of a shipped file, relative to the root of the application.

        Raises:
            KeyError: No such file is shipped: a mistake in a template.
        """
        if name not in self.contents:
            raise KeyError(name)
        return f"/static/{self.version}/{name}"


@cache
def shipped_assets() -> Assets:
    """Return the files of ``web/static``."""
    contents = dict(sorted(_walk(files("pillarbox.web") / "static", "")))
    digest = hashlib.sha256()
    for name, octets in contents.items():
        digest.update(f"{name}\0{len(octets)}\0".encode() + octets)
    return Assets(digest.hexdigest()[:_HASH_CHARACTERS], contents)


@cache
def icons() -> dict[str, str]:
    """Return the inner SVG of each icon by its name."""
    sprite = (files("pillarbox.web") / "icons" / "icons.svg").read_text("utf-8")
    return dict(_SYMBOL.findall(sprite))


def static_router() -> APIRouter:
    """Return the route that serves the files."""
    router = APIRouter(include_in_schema=False)
    assets = shipped_assets()

    @router.get("/favicon.ico")
    @router.head("/favicon.ico")
    async def favicon() -> Response:
        # Browsers request it if a page names no icon, such as a message opened in its own tab.
        headers = {"cache-control": "max-age=86400"}
        return Response(assets.contents["logo.svg"], media_type="image/svg+xml", headers=headers)

    @router.get("/static/{version}/{name:path}")
    @router.head("/static/{version}/{name:path}")
    async def static(request: Request, version: str, name: str) -> Response:
        octets = assets.contents.get(name)
        if octets is None:
            return PlainTextResponse("No such file.\n", status_code=404)
        # A page of an older release may still request the old path: it gets the new file, which
        # must not be cached under that path.
        is_current = version == assets.version
        headers = {
            "cache-control": _KEPT_FOR_A_YEAR if is_current else "no-cache",
            "etag": f'"{assets.version}"',
        }
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(octets, media_type=_media_type(name), headers=headers)

    return router


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        name = f"{prefix}{entry.name}"
        if entry.is_dir():
            found += _walk(entry, f"{name}/")
        else:
            found.append((name, entry.read_bytes()))
    return found


def _media_type(name: str) -> str:
    suffix = name[name.rfind(".") :]
    return _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
