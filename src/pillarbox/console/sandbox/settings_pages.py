"""The settings page: the values in force, which differ from the defaults, when changes apply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pillarbox.config.changes import needs_restart
from pillarbox.config.schema import SECTIONS, Key
from pillarbox.config.show import toml_value
from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.place import Place
from pillarbox.console.sandbox.shell import make_shell
from pillarbox.policy.masked_url import masked_url

__all__ = ["router"]

_SECTION: Final = "sandbox"
_GROUPS: Final = (
    ("Catching", ("smtp", "smtps", "auth", "require_auth", "require_tls", "users", "users_file",
                  "starttls", "certificate", "key", "max_message_size")),
    ("Keeping", ("database", "max_messages", "max_age", "max_size")),
    ("Tagging", ("tag_by_address", "tag_by_header", "tag_by_user", "tags")),
)  # fmt: skip
_REST: Final = "Looking"


@dataclass(frozen=True, slots=True)
class SettingView:
    """One setting."""

    name: str
    value: str  # as in the file, "" for none
    is_default: bool
    doc: tuple[str, ...]  # every second piece is a word of code
    variable: str  # of the environment
    waits: bool  # for the next start


def router(desk: Desk) -> APIRouter:
    """Return the route of the settings."""
    router = APIRouter(include_in_schema=False)

    @router.get("/settings")
    async def settings(request: Request) -> Response:
        return desk.pages.page(
            request,
            "sandbox/settings.html",
            shell=await make_shell(desk, Place(), "settings"),
            groups=_groups(desk),
        )

    return router


def _groups(desk: Desk) -> list[tuple[str, list[SettingView]]]:
    keys = SECTIONS[_SECTION].keys
    views = {name: _view(key, getattr(desk.sandbox.settings, name)) for name, key in keys.items()}
    groups = [
        (title, [views.pop(name) for name in names if name in views]) for title, names in _GROUPS
    ]
    return [*groups, (_REST, list(views.values()))]


def _view(key: Key, value: object) -> SettingView:
    is_hidden = key.is_secret and bool(value)
    value = masked_url(value) if isinstance(value, str) else value
    return SettingView(
        name=key.name,
        value="***" if is_hidden else toml_value(value, key) if value not in {(), ""} else "",
        is_default=value == key.default,
        doc=tuple(key.doc.split("`")),
        variable=f"PILLARBOX_{_SECTION.upper()}__{key.name.upper()}",
        waits=needs_restart(f"{_SECTION}.{key.name}"),
    )
