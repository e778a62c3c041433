"""Pages rendered from templates: always escaped, and safe whatever a message contains.

Every page of every console is rendered by ``Pages``: Jinja2 with autoescape for all templates
(whatever their file name), undefined names are errors, and each response carries a policy that
allows only this origin's own scripts and styles. Templates never mark message content as safe;
``tests/unit/test_web_pages.py`` enforces it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from urllib.parse import quote, urlencode

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, Response

from pillarbox.policy.masked_url import masked_url
from pillarbox.web.assets import icons, shipped_assets
from pillarbox.web.problems import Problem, problem_response, request_id
from pillarbox.web.security import content_policy

__all__ = ["PAGE_POLICY", "Pages", "problem_page", "wants_html"]

PAGE_POLICY: Final = content_policy(
    script_src="'self'",
    style_src="'self'",
    img_src="'self' data:",
    font_src="'self'",
    connect_src="'self'",
    frame_src="'self'",
    form_action="'self'",
)
"""The policy of every page: scripts and styles come only from files of this origin."""

_PAGE_HEADERS: Final = {
    "content-security-policy": PAGE_POLICY,
    # With "no-referrer", browsers send "Origin: null" with a form, which looks cross-origin.
    "referrer-policy": "same-origin",
}
_UNITS: Final = ("octets", "KiB", "MiB", "GiB", "TiB")
_SECONDS: Final = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))


class Pages:
    """The templates of one console, in addition to the shared ones."""

    def __init__(self, *packages: str) -> None:
        """Read templates from the ``templates`` folder of each package, the first one first."""
        loaders = [PackageLoader(package) for package in (*packages, "pillarbox.web")]
        self._environment = Environment(
            loader=ChoiceLoader(loaders),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals.update(icon=_icon, query_string=_query_string)
        self._environment.filters.update(
            size=show_size,
            moment=show_moment,
            short=show_short,
            iso=show_iso,
            duration=show_duration,
            number=_number,
            masked_url=masked_url,
        )

    def text(self, connection: HTTPConnection, template: str, /, **context: Any) -> str:
        """Render a template to text."""
        root = str(connection.scope.get("root_path", "")).rstrip("/")
        assets = shipped_assets()
        return self._environment.get_template(template).render(
            root=root, static=lambda name: root + assets.path(name), **context
        )

    def page(
        self,
        connection: HTTPConnection,
        template: str,
        /,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        **context: Any,
    ) -> HTMLResponse:
        """Render a template as the response to a request."""
        return HTMLResponse(
            self.text(connection, template, **context),
            status_code=status,
            headers={**_PAGE_HEADERS, **(headers or {})},
        )


def wants_html(connection: HTTPConnection) -> bool:
    """Whether the client is a browser and not a program, by the path and the Accept field."""
    if connection.url.path.startswith(f"{connection.scope.get('root_path', '')}/api/"):
        return False
    return "text/html" in connection.headers.get("accept", "")


def problem_page(connection: HTTPConnection, problem: Problem) -> Response:
    """Return a problem as a page with a link back; programs get the form of RFC 9457."""
    if not wants_html(connection):
        return problem_response(connection, problem)
    return _shared_pages().page(
        connection,
        "error.html",
        status=problem.status,
        headers=problem.headers,
        code=problem.status,
        title=problem.title,
        detail=problem.detail,
        hint=problem.hint,
        request_id=request_id(connection),
    )


@cache
def _shared_pages() -> Pages:
    return Pages()


def _icon(name: str, *, label: str = "", extra: str = "") -> Markup:
    """Return an icon as inline SVG; with a label, screen readers announce it."""
    role = Markup('role="img" aria-label="{}"').format(label) if label else 'aria-hidden="true"'
    # The inner SVG comes from the package's own file, never from a request.
    inner = icons()[name]
    return Markup(  # noqa: S704 - of shipped text, and an attribute escaped above
        f'<svg class="icon {extra}" viewBox="0 0 24 24" {role}>{inner}</svg>'
    )


def _query_string(**values: Any) -> str:
    """Return ``?a=b&c=d`` with the values that are not empty, or ""."""
    given = {name: str(value) for name, value in values.items() if value not in {None, "", False}}
    return f"?{urlencode(given, quote_via=quote)}" if given else ""


def _number(value: int) -> str:
    return f"{value:,}"


def show_size(octets: int) -> str:
    """Return a size for people: ``512 octets``, ``14 KiB``, ``1.4 MiB``."""
    value, unit = float(octets), 0
    while value >= 1000 and unit < len(_UNITS) - 1:  # noqa: PLR2004 - three digits at most
        value, unit = value / 1024, unit + 1
    shown = f"{value:.1f}" if unit and value < 10 else f"{value:.0f}"  # noqa: PLR2004
    return f"{shown} {_UNITS[unit] if octets != 1 else 'octet'}"


def show_iso(at: float) -> str:
    """Return seconds since 1970 as RFC 3339 in UTC, for ``<time datetime>``."""
    return _utc(at).strftime("%Y-%m-%dT%H:%M:%SZ")


def show_moment(at: float) -> str:
    """Return seconds since 1970 in UTC for people; the page's script shows the local time."""
    return _utc(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def show_short(at: float) -> str:
    """Return a short form of a time; the page's script shows the local time."""
    return _utc(at).strftime("%-d %b %H:%M")


def show_duration(seconds: float) -> str:
    """Return a duration for people in its largest whole unit: ``7 days``, ``90 minutes``."""
    whole = max(int(seconds), 0)
    unit, length = next((row for row in _SECONDS if whole % row[1] == 0 and whole), _SECONDS[-1])
    count = whole // length
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _utc(at: float) -> datetime:
    try:
        return datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError, ValueError):  # a Date that no calendar has
        return datetime.fromtimestamp(0, UTC)
