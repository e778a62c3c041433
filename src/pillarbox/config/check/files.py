"""Checks of the files that a configuration names: present, readable, and private if secret."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from pillarbox.config.check.report import Check, Report
from pillarbox.config.loader import Loaded
from pillarbox.config.schema import SECTIONS
from pillarbox.findings import Finding

__all__ = ["FILE_CHECKS"]

_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH
_WRITERS: Final = stat.S_IWOTH


def _files(loaded: Loaded) -> Iterator[Finding]:
    """Every file that is read has to be readable now, and secret ones by nobody else."""
    settings = loaded.settings
    plain: list[tuple[Path | None, tuple[str, ...]]] = [
        (settings.tls.certificate, ("tls", "certificate")),
        (settings.dns.zone_file, ("dns", "zone_file")),
    ]
    for name, domain in settings.domain.items():
        plain.append((domain.recipients_file, ("domain", name, "recipients_file")))
        plain.append((domain.aliases_file, ("domain", name, "aliases_file")))
    for name, certificate in settings.certificate.items():
        plain.append((certificate.certificate, ("certificate", name, "certificate")))
    plain.append((settings.acme.ca, ("acme", "ca")))
    for name, source in settings.auth_source.items():
        plain.append((source.ca, ("auth_source", name, "ca")))
    for name, listener in settings.listener.items():
        plain.append((listener.client_ca, ("listener", name, "client_ca")))
    for name, route in settings.route.items():
        plain.append((route.tls_ca, ("route", name, "tls_ca")))
    secret: list[tuple[Path | None, tuple[str, ...]]] = [
        (settings.tls.key, ("tls", "key")),
        (settings.auth.file, ("auth", "file")),
        *(
            (each.token_file, ("route", name, "token_file"))
            for name, each in settings.route.items()
        ),
        *((each.key, ("certificate", name, "key")) for name, each in settings.certificate.items()),
        *((path, address) for address, path in loaded.secret_files.items()),
    ]
    for path, address in plain:
        if path is not None:
            yield from _readable(Report(loaded, *address), path)
    for path, address in secret:
        if path is not None:
            report = Report(loaded, *address)
            yield from _readable(report, path)
            yield from _not_open(report, path, "It holds a secret")


def _config_file(loaded: Loaded) -> Iterator[Finding]:
    """A configuration file with a secret in it is a secret; no other may write to it anyway."""
    if loaded.path is None:
        return
    report = Report(loaded, "configuration file")
    if _has_secret(loaded):
        yield from _not_open(report, loaded.path, "It holds a password")
    elif _mode(loaded.path) & _WRITERS:
        yield report.error(
            63,
            f"{loaded.path} can be written by everybody.",
            "Whoever can change it decides where all mail goes.",
            f"chmod o-w {loaded.path}",
        )


def _has_secret(loaded: Loaded) -> bool:
    in_file = str(loaded.path)
    for address, origin in loaded.origins.items():
        key = SECTIONS[address[0]].keys[address[-1]]
        if key.is_secret and origin.startswith(in_file) and address not in loaded.secret_files:
            # A store's address is only secret where a password is in it.
            if address == ("store", "url") and "@" not in loaded.settings.store.url:
                continue
            if address == ("store", "url") and ":" not in _user_part(loaded.settings.store.url):
                continue
            return True
    return False


def _user_part(url: str) -> str:
    return url.partition("://")[2].rpartition("@")[0]


def _pair(loaded: Loaded) -> Iterator[Finding]:
    tls = loaded.settings.tls
    if (tls.certificate is None) != (tls.key is None):
        missing = "key" if tls.key is None else "certificate"
        yield Report(loaded, "tls", missing).error(
            60,
            "{key} is missing.",
            "A certificate and its private key only work together.",
            '{key} = "/etc/pillarbox/..."',
        )


def _readable(report: Report, path: Path) -> Iterator[Finding]:
    try:
        with path.open("rb") as file:
            file.read(1)
    except OSError as error:
        yield report.error(
            61,
            f"{report.key}: {path} cannot be read: {error.strerror}.",
            "The node cannot start without it.",
            "Create the file, or let the node's user read it.",
        )


def _not_open(report: Report, path: Path, why: str) -> Iterator[Finding]:
    if _mode(path) & _OTHERS:
        yield report.error(
            62,
            f"{path} can be read or written by everybody (mode {stat.S_IMODE(_mode(path)):04o}).",
            f"{why}, which every user of this machine could read.",
            f"chmod o-rwx {path}",
        )


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except OSError:
        return 0


def _directory(loaded: Loaded) -> Iterator[Finding]:
    directory = loaded.settings.node.directory
    report = Report(loaded, "node", "directory")
    try:
        yield from _look_at(directory, report, has_user=bool(loaded.settings.node.user))
    except OSError as error:
        yield report.error(
            67,
            f"{error.filename}: {error.strerror}.",
            "The node stores its mail below it.",
            f"Make {directory} for the user that runs the node, or run it as that user.",
        )


def _look_at(directory: Path, report: Report, *, has_user: bool) -> Iterator[Finding]:
    if directory.is_dir():
        if _mode(directory) & stat.S_IWOTH:
            yield report.error(
                64,
                f"{directory} can be written by everybody.",
                "Whoever can write there can replace the store and the control socket.",
                f"chmod o-w {directory}",
            )
        return
    existing = next((parent for parent in directory.absolute().parents if parent.exists()), None)
    if directory.exists() or existing is None or not existing.is_dir():
        yield report.error(
            65, f"{directory} is not a directory.", "Mail is stored there.", f"mkdir -p {directory}"
        )
    elif not os.access(existing, os.W_OK) and not has_user:
        yield report.warning(
            66,
            f"{directory} does not exist and this user cannot create it.",
            "The node creates it at startup, if its user may.",
            f"Make {directory}, mode 0700, for the user that runs the node.",
        )


FILE_CHECKS: Final[tuple[Check, ...]] = (_pair, _files, _config_file, _directory)
