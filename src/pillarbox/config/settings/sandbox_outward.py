"""Settings of what may leave a sandbox: released mail, forwarded mail, webhooks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["SandboxForwardSettings", "SandboxReleaseSettings", "SandboxWebhookSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxReleaseSettings:
    """The relay by which caught mail can be released to real people.

    Nothing leaves a sandbox unless both `relay` and `recipients` are given.
    """

    relay: str = setting(
        "URL of the relay: `smtp://user:password@host:587` (STARTTLS), `smtps://...` (TLS from "
        "the first octet); `?tls=never|may|require`, `ca=FILE`, `servername=NAME`, "
        "`timeout=SECONDS` may follow. Better without the password, which is a key of its own.",
        "",
        secret=True,
    )
    password: str = setting(
        "The user's password at the relay; better given as password_file.", "", secret=True
    )
    recipients: tuple[str, ...] = setting(
        'Who may get released mail: "ann@example.org", "*@example.org" or "@example.org" for a '
        'whole domain, "@*.example.org" for the domains below it, "*" for everybody.',
        (),
    )
    blocked: tuple[str, ...] = setting("Who may not, of these; written in the same way.", ())
    return_path: str = setting(
        "Sender of the envelope of released mail, to whom bounces go. Default: the mail's own.", ""
    )
    hello_name: str = setting("Name to greet the relay with.", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxForwardSettings:
    """A rule by which caught mail is released by itself: `[sandbox_forward.NAME]`."""

    search: str = setting("Which mail: a search, such as `tag:newsletter`. Empty: all of it.", "")
    project: str = setting("Only of this project. Empty: of all.", "")
    recipients: tuple[str, ...] = setting(
        "To whom: addresses that sandbox_release.recipients allows. Empty: to its own recipients, "
        "those of them that are allowed.",
        (),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxWebhookSettings:
    """Somebody who is told of new mail by HTTP: `[sandbox_webhook.NAME]`.

    Calls are signed as Standard Webhooks 1.0 says.
    """

    url: str = setting("URL that is called: http or https, on this machine or another.")
    secret: str = setting(
        'Secret that calls are signed with: "whsec_" and 24 to 64 octets in base64. Default: one '
        "that is made up, and shown in the page.",
        "",
        secret=True,
    )
    previous_secret: str = setting(
        "The secret before; calls are signed with both while the receiver changes.",
        "",
        secret=True,
    )
    search: str = setting("Of which mail: a search, such as `subject:invoice`. Empty: all.", "")
    project: str = setting("Only of this project. Empty: of all.", "")
    timeout: float = setting("How long to wait for an answer.", 15.0, unit=Unit.SECONDS)
    tls_ca: Path | None = setting(
        "PEM file of the authorities to trust. Default: the system's.", None
    )
