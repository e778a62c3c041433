"""Settings of the sandbox: where mail is caught, how much is retained, and who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pillarbox.config.settings.declaration import Unit, setting

__all__ = ["SandboxAuth", "SandboxProjectSettings", "SandboxSettings"]


class SandboxAuth(Enum):
    """Which credentials a program may log in with to have its mail caught."""

    ANY = "any"  # whatever it gives is right
    CHOSEN = "chosen"  # those of the sandbox's users and of its projects
    REFUSE = "refuse"  # AUTH is offered, and nothing is right
    NONE = "none"  # AUTH is not offered


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """The sandbox: `pillarbox sandbox`, or listeners of kind `sandbox` in a node."""

    smtp: tuple[str, ...] = setting(
        'Addresses with ports that catch mail; "localhost:1025" is every loopback address. '
        "Only for `pillarbox sandbox`: a node has listeners of kind `sandbox`.",
        ("localhost:1025",),
    )
    smtps: tuple[str, ...] = setting(
        "The same with TLS from the first octet. Only for `pillarbox sandbox`. Empty: nowhere.", ()
    )
    http: tuple[str, ...] = setting(
        "Addresses with ports of the page and the API.", ("localhost:8025",)
    )
    pop3: tuple[str, ...] = setting(
        "Addresses with ports where mail programs fetch caught mail by POP3. Empty: nowhere.",
        ("localhost:1110",),
    )
    database: Path | None = setting(
        "File that stores caught mail. Default: memory, until it stops; in a node, the file "
        "sandbox.sqlite in node.directory.",
        None,
    )
    label: str = setting("Name shown in the page, to tell sandboxes apart.", "")
    max_messages: int = setting(
        "Number of caught messages to retain; the oldest are removed first. 0: no limit.", 10_000
    )
    max_age: float = setting(
        "How long caught mail is retained. 0: no limit.", 0.0, unit=Unit.SECONDS
    )
    max_size: int = setting(
        "Octets of caught mail to retain in all; the oldest is removed first. 0: no limit.",
        1024 * 1024 * 1024,
        unit=Unit.OCTETS,
    )
    max_message_size: int = setting(
        "Octets of the largest message.", 50 * 1024 * 1024, unit=Unit.OCTETS
    )
    auth: SandboxAuth | None = setting(
        "Credentials that programs may log in with: `any`; `chosen`, those in users and of "
        "projects; `refuse`, none of them is right; `none`, AUTH is not offered. Default: "
        "`chosen` where there are users, else `any`.",
        None,
    )
    require_auth: bool | None = setting(
        "Whether mail is only caught after a login. Default: yes with `chosen`, else no.", None
    )
    require_tls: bool = setting("Whether mail is only caught after STARTTLS.", False)
    users: tuple[str, ...] = setting(
        'Users that may log in with `chosen`, each as "user:password".', (), secret=True
    )
    users_file: Path | None = setting(
        "File with such users, one a line; a password may be an argon2id or {SHA} hash.", None
    )
    starttls: bool | None = setting(
        "Whether STARTTLS is offered, with a self-signed certificate unless there is another. "
        "Default: where certificate or require_tls is set. Many programs use it wherever it is "
        "offered, and then refuse a certificate that nobody has signed.",
        None,
    )
    certificate: Path | None = setting(
        "PEM file with a certificate to show instead of the self-signed one.", None
    )
    key: Path | None = setting("PEM file with its private key.", None)
    tag_by_address: bool = setting("Tag mail with the +tag of its recipients.", True)
    tag_by_header: bool = setting("Tag mail with the tags in its X-Tags field.", True)
    tag_by_user: bool = setting("Tag mail with the user name of its login.", False)
    tags: tuple[str, ...] = setting(
        'Tags for mail that a search finds, each as "tag: search", such as '
        '"invoices: subject:invoice has:attachment".',
        (),
    )
    pop3_users: tuple[str, ...] = setting(
        'Users of POP3, each as "user:password". Empty: any user and password.', (), secret=True
    )
    pop3_read_only: bool = setting("Whether mail cannot be deleted by POP3.", False)
    pop3_users_file: Path | None = setting("File with such users, one a line.", None)
    http_users: tuple[str, ...] = setting(
        'Users of the page and the API, each as "user:password". Empty: everybody who can '
        "reach it.",
        (),
        secret=True,
    )
    http_users_file: Path | None = setting("File with such users, one a line.", None)
    http_token: str = setting(
        "Token that programs may send instead (Authorization: Bearer). Empty: none.",
        "",
        secret=True,
    )
    allowed_hosts: tuple[str, ...] = setting(
        "Host names under which the page is reached besides localhost, IP addresses and this "
        'machine\'s name; "*" for any. Others are turned away (DNS rebinding).',
        (),
    )
    allowed_origins: tuple[str, ...] = setting(
        "Foreign pages that may change things here and listen to live events, as browsers "
        'name them: "https://app.example.org". There is no CORS: they cannot read responses.',
        (),
    )
    trusted_proxies: tuple[str, ...] = setting(
        "Addresses and networks of proxies in front of the page, whose Forwarded or "
        "X-Forwarded-* fields name the real client and host.",
        (),
    )
    webroot: str = setting('Path of the page behind a proxy: "/mail".', "/")
    chaos: str = setting(
        "Random failures, in Mailpit's notation: `Sender:451:5,Recipient:550:10` fails 5 % of "
        "MAIL with 451 and 10 % of RCPT with 550. Rules in the page can do more.",
        "",
    )
    fail_by_address: bool = setting(
        "Whether recipients such as 550@ or greylist@ make the sandbox fail as they say.", True
    )
    rspamd: str = setting(
        "rspamd to ask about caught mail: the address of its worker, such as "
        '"http://localhost:11333". Empty: it is not asked.',
        "",
    )
    spamassassin: str = setting(
        'SpamAssassin to ask likewise: the address of spamd, such as "localhost:783".', ""
    )

    @property
    def logins(self) -> SandboxAuth:
        """Which credentials are right."""
        if self.auth is not None:
            return self.auth
        return SandboxAuth.CHOSEN if self.users or self.users_file else SandboxAuth.ANY

    @property
    def offers_starttls(self) -> bool:
        """Whether STARTTLS is offered."""
        if self.starttls is not None:
            return self.starttls
        return self.certificate is not None or self.require_tls

    @property
    def needs_login(self) -> bool:
        """Whether mail without a login is refused."""
        if self.require_auth is not None:
            return self.require_auth
        return self.logins is SandboxAuth.CHOSEN


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxProjectSettings:
    """An isolated inbox: `[sandbox_project.NAME]`.

    A message goes to the first project that matches: by its login, by the +tag of a recipient, by
    the domain of a recipient, by the domain of the sender.
    """

    title: str = setting("Name for people. Default: the table's name.", "")
    users: tuple[str, ...] = setting("User names whose mail comes here.", ())
    password: str = setting("Password that these users must give. Empty: any.", "", secret=True)
    tag: str = setting("Tag behind + in a recipient's address. Default: the table's name.", "")
    recipient_domains: tuple[str, ...] = setting(
        'Domains of recipients: "example.com", and ".example.com" for all below it.', ()
    )
    sender_domains: tuple[str, ...] = setting("Domains of senders, written likewise.", ())
    max_messages: int = setting("Number of messages to retain in this project. 0: no limit.", 0)
    max_age: float = setting(
        "How long mail is retained in this project. 0: no limit.", 0.0, unit=Unit.SECONDS
    )
    webhook: str = setting("URL that is told of new mail of this project.", "")
    webhook_secret: str = setting(
        'Secret that its calls are signed with ("whsec_...").', "", secret=True
    )
