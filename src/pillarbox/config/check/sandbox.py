"""Checks of the sandbox inside a node, where one of its listeners catches mail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pillarbox.config.check.report import Check, Report
from pillarbox.config.endpoints import is_loopback, parse_endpoint
from pillarbox.config.loader import Loaded
from pillarbox.config.settings import ListenerKind
from pillarbox.findings import Finding

__all__ = ["SANDBOX_CHECKS"]


def _pages(loaded: Loaded) -> Iterator[Finding]:
    listeners = loaded.settings.listener.values()
    if not any(each.kind is ListenerKind.SANDBOX for each in listeners):
        return
    own = loaded.settings.sandbox
    is_closed = bool(own.http_users or own.http_users_file or own.http_token)
    needs_password = bool(own.pop3_users or own.pop3_users_file)
    for key, is_guarded in (("http", is_closed), ("pop3", needs_password)):
        report = Report(loaded, "sandbox", key)
        addresses: tuple[str, ...] = getattr(own, key)
        for text in addresses:
            endpoint = parse_endpoint(f"[::]{text}" if text.startswith(":") else text)
            if endpoint is None or endpoint.port is None:
                yield report.error(
                    310,
                    f'{{key}} has "{text}", which is not an address with a port.',
                    "Caught mail could not be viewed.",
                    'Write it as "localhost:8025", "0.0.0.0:8025" or "[::]:8025".',
                )
            elif not is_guarded and not is_loopback(endpoint.host):
                yield report.warning(
                    311,
                    f'{{key}} has "{text}", but no password is required there.',
                    "Everybody who can reach it can read all caught mail.",
                    f'sandbox.{key}_users = ["ann:password"], or bind "localhost:{endpoint.port}".',
                )


SANDBOX_CHECKS: Final[tuple[Check, ...]] = (_pages,)
