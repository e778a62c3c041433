"""``pillarbox readyz``: whether a sandbox is ready, for scripts and container health checks."""

from __future__ import annotations

import http.client
import json
import os
import time
from contextlib import closing
from typing import Final
from urllib.parse import SplitResult, urlsplit

import click

from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.config.endpoints import parse_endpoint
from pillarbox.config.mailpit import with_mailpit_names
from pillarbox.config.settings import SandboxSettings, Unit
from pillarbox.config.units import parse_quantity

__all__ = ["readyz"]

_PAUSE: Final = 0.1  # seconds between two looks
_PATIENCE: Final = 2.0  # seconds for one answer
_USUAL_WAIT: Final = "60 s"
_MOST_ANSWER: Final = 4_096  # octets
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})


@click.command()
@click.argument("url", required=False)
@click.option(
    "--wait",
    is_flag=False,
    flag_value=_USUAL_WAIT,
    metavar="[DURATION]",
    help=f"Wait until it is, so long at most (without a duration: {_USUAL_WAIT}).",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
def readyz(context: Context, url: str | None, wait: str | None, as_json: bool) -> None:  # noqa: FBT001 - click
    """Exit 0 if the sandbox at URL is ready to catch mail, and 1 if it is not.

    Without URL, the sandbox of the configuration and the environment is meant, usually
    http://localhost:8025.

    \b
      pillarbox readyz --wait && pytest
      HEALTHCHECK CMD ["pillarbox", "readyz"]
    """  # noqa: D301 - click's mark: do not wrap
    seconds = parse_quantity(wait, Unit.SECONDS) if wait is not None else 0.0
    if seconds is None:
        raise click.BadParameter(f"{wait!r} is not a duration", param_hint="--wait")
    place = _place(url) if url else _configured(context)
    begun = time.monotonic()
    problem = _problem(place)
    while problem and time.monotonic() - begun + _PAUSE <= seconds:
        time.sleep(_PAUSE)
        problem = _problem(place)
    if as_json:
        took = round(time.monotonic() - begun, 3)
        context.out.json(
            {"url": place.geturl(), "is_ready": not problem, "problem": problem, "seconds": took}
        )
    elif problem:
        context.out.error(f"{place.geturl()} is not ready: {problem}")
    else:
        context.out.line(f"{place.geturl()} is ready")
    if problem:
        raise click.exceptions.Exit(FAILED)


def _place(url: str) -> SplitResult:
    try:
        place = urlsplit(url if "://" in url else f"http://{url}")
        if place.scheme in {"http", "https"} and place.hostname and place.port != 0:
            return place
    except ValueError:
        pass
    raise click.BadParameter(f"{url!r} is not an address such as http://localhost:8025")


def _configured(context: Context) -> SplitResult:
    with context.errors():
        settings, _ = with_mailpit_names(context.load(), os.environ)
        return urlsplit(_address(settings.sandbox))


def _address(settings: SandboxSettings) -> str:
    first = next(iter(settings.http), "localhost:8025")
    endpoint = parse_endpoint(first)
    if endpoint is not None and endpoint.host in _EVERYWHERE:
        first = f"localhost:{endpoint.port or 8025}"
    return f"http://{first}/{settings.webroot.strip('/')}".rstrip("/")


def _problem(place: SplitResult) -> str:
    """Return why it is not ready, "" where it is."""
    kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
    connection = kind(place.hostname or "", place.port, timeout=_PATIENCE)
    try:
        with closing(connection):
            connection.request("GET", f"{place.path.rstrip('/')}/readyz")
            answer = connection.getresponse()
            body = answer.read(_MOST_ANSWER)
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        return getattr(error, "strerror", None) or str(error) or type(error).__name__
    if answer.status == http.HTTPStatus.OK:
        return ""
    return _detail(body) or f"it answers {answer.status} {answer.reason}"


def _detail(body: bytes) -> str:
    try:
        problem = json.loads(body)
    except ValueError:
        return ""
    return str(problem.get("detail", "")) if isinstance(problem, dict) else ""
