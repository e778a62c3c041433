"""Settings against abuse: rates, password guessing, address harvesting, checks of strangers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from pillarbox.config.settings.declaration import Unit, setting

__all__ = [
    "CheckAction",
    "ClientNameSettings",
    "DnsListAction",
    "DnsListKind",
    "DnsListSettings",
    "GreylistSettings",
    "GuessSettings",
    "HarvestSettings",
    "OverRate",
    "RateSettings",
    "RateSubject",
    "ScreeningSettings",
]


class RateSubject(Enum):
    """Whose messages are counted together."""

    CREDENTIAL = "credential"  # of each login
    ADDRESS = "address"  # of each IPv4 address and each IPv6 /64
    LISTENER = "listener"  # of each listener
    ALL = "all"  # of everybody


class OverRate(Enum):
    """What becomes of what is too much."""

    DEFER = "defer"  # 4xx with the seconds to wait
    QUEUE = "queue"  # it is taken, and waits in the queue for its turn


@dataclass(frozen=True, slots=True, kw_only=True)
class RateSettings:
    """A sending rate: `[rate.NAME]`. A client must stay within all rates that match it."""

    subject: RateSubject = setting(
        "What is counted together: each `credential`, each `address` (IPv4, or IPv6 /64), "
        "each `listener`, or `all`."
    )
    messages: tuple[str, ...] = setting(
        'Allowed messages, such as ["10/s", "500/h", "5000/day"]; periods from 1 s to 7 d.', ()
    )
    recipients: tuple[str, ...] = setting("Allowed recipients, written in the same way.", ())
    listeners: tuple[str, ...] = setting("Listeners to which it applies. Empty: all.", ())
    credentials: tuple[str, ...] = setting(
        'Credentials to which it applies, such as "shop" or "tenant-*". Empty: everybody.', ()
    )
    except_credentials: tuple[str, ...] = setting("Credentials to which it does not apply.", ())
    except_networks: tuple[str, ...] = setting("Networks whose clients it does not apply to.", ())
    over: OverRate = setting(
        "What happens beyond the rate: `defer`, a 4xx reply with the time to wait, or "
        "`queue`, the mail is accepted and sent in its turn.",
        OverRate.DEFER,
    )
    longest_wait: float = setting(
        "With `queue`: the longest wait; mail that would wait longer is deferred.",
        86_400.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessSettings:
    """What happens after failed logins. A client is an IPv4 address or an IPv6 /64."""

    free_failures: int = setting("Failed logins of a client that are answered without delay.", 1)
    first_delay: float = setting(
        "Delay before the next one is answered; doubled for each further one.",
        1.0,
        unit=Unit.SECONDS,
    )
    longest_delay: float = setting("The longest delay.", 8.0, unit=Unit.SECONDS)
    forgive_every: float = setting(
        "Time after which one failure of a client is forgotten.", 60.0, unit=Unit.SECONDS
    )
    ban_after: int = setting("Failures after which a client is banned. 0: never.", 20)
    ban_time: float = setting(
        "How long the first ban lasts; each further one twice as long, up to a day.",
        3_600.0,
        unit=Unit.SECONDS,
    )
    account_failures: int = setting(
        "Failures of one user name per hour, from unknown addresses, after which unknown "
        "addresses get 454 for that user. 0: never.",
        100,
    )
    known_for: float = setting(
        "How long an address stays known after a user has logged in from it. A known address "
        "is never locked out of that user's account.",
        30 * 86_400.0,
        unit=Unit.SECONDS,
    )
    spray_accounts: int = setting(
        "User names that fail within ten minutes for it to count as a password spray...", 30
    )
    spray_addresses: int = setting("...if they come from this many clients. 0: never.", 10)
    except_networks: tuple[str, ...] = setting(
        "Networks that are never banned, such as that of a webmail server.", ()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestSettings:
    """Address harvesting: what happens to clients that try many unknown recipients."""

    free_unknown: int = setting(
        "Unknown recipients of a client (an IPv4 address or IPv6 /64) that are answered "
        "without delay.",
        10,
    )
    longest_delay: float = setting(
        "The answer to each further one is delayed more, up to this.", 5.0, unit=Unit.SECONDS
    )
    end_after: int = setting("Unknown recipients after which the client gets 421. 0: never.", 50)
    forgive_every: float = setting(
        "Time after which one of them is forgotten.", 10.0, unit=Unit.SECONDS
    )
    except_networks: tuple[str, ...] = setting(
        "Networks that are not delayed, such as that of a backup MX. The machine's own "
        "addresses never are.",
        ("127.0.0.0/8", "::1"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GreylistSettings:
    """Greylisting on mx listeners (RFC 6647): unknown clients must come back."""

    enabled: bool = setting("Whether to greylist.", False)
    listeners: tuple[str, ...] = setting("The mx listeners that do so. Empty: all.", ())
    delay: float = setting("Time after which a retry is accepted.", 60.0, unit=Unit.SECONDS)
    window: float = setting(
        "Time within which the retry must come.", 2 * 86_400.0, unit=Unit.SECONDS
    )
    lifetime: float = setting(
        "How long a client that came back stays known after each message.",
        36 * 86_400.0,
        unit=Unit.SECONDS,
    )
    believe_after: int = setting(
        "Successful retries of a network (IPv4 /24, IPv6 /64) before it is known for all "
        "senders and recipients. 0: never.",
        5,
    )
    skip_spf_pass: bool = setting("Accept mail that passes SPF at once.", False)
    except_networks: tuple[str, ...] = setting("Networks that are not greylisted.", ())


class DnsListKind(Enum):
    """What it means to be on a list."""

    BLOCK = "block"
    ALLOW = "allow"  # no other list counts, and no greylisting


class DnsListAction(Enum):
    """What follows when a client is on a block list."""

    NOTE = "note"
    SCORE = "score"  # its weight is added up with those of others
    DEFER = "defer"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsListSettings:
    """A DNS list of addresses: `[dns_list."zen.example.org"]` (RFC 5782)."""

    kind: DnsListKind = setting("`block` or `allow`.", DnsListKind.BLOCK)
    action: DnsListAction = setting(
        "What follows for a client on a block list: `note`, `score`, `defer` or `refuse`.",
        DnsListAction.NOTE,
    )
    weight: int = setting("With `score`: the points that a listing adds.", 1)
    codes: tuple[str, ...] = setting(
        'Answers that count, such as ["127.0.0.2-11"] or ["127.0.*.3"]. Empty: all but 127.0.0.1.',
        (),
    )
    listeners: tuple[str, ...] = setting("The mx listeners on which it is asked. Empty: all.", ())
    except_networks: tuple[str, ...] = setting("Networks that are not looked up.", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningSettings:
    """The consequences of DNS list scores."""

    defer_score: int = setting("Sum of weights from which mail is deferred. 0: never.", 0)
    refuse_score: int = setting("Sum of weights from which mail is refused. 0: never.", 0)
    timeout: float = setting("How long to wait for DNS.", 5.0, unit=Unit.SECONDS)


class CheckAction(Enum):
    """What follows from a check."""

    OFF = "off"  # it is not made
    NOTE = "note"
    DEFER = "defer"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientNameSettings:
    """The host name of a client on mx listeners, in DNS and in HELO."""

    reverse: CheckAction = setting(
        "Check that the client's address has a host name that resolves back to it; what "
        "follows if not: `off`, `note`, `defer` or `refuse`.",
        CheckAction.OFF,
    )
    helo: CheckAction = setting(
        "Check the name in HELO; what follows if it is not a name, or is ours: `off`, `note`, "
        "`defer` or `refuse`. A name that does not match the address is only noted (RFC 5321 "
        "§4.1.4).",
        CheckAction.OFF,
    )
    listeners: tuple[str, ...] = setting("The mx listeners that do so. Empty: all.", ())
    except_networks: tuple[str, ...] = setting("Networks that are not checked.", ())
