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
    """How much may be sent: `[rate.NAME]`. Of several rates that fit, all have to be kept."""

    subject: RateSubject = setting(
        "What is counted together: each `credential`, each `address` (IPv4, or IPv6 /64), "
        "each `listener`, or `all`."
    )
    messages: tuple[str, ...] = setting(
        'Messages that may be begun, such as ["10/s", "500/h", "5000/day"]; from 1 s to 7 d.', ()
    )
    recipients: tuple[str, ...] = setting("Recipients that may be named, in the same way.", ())
    listeners: tuple[str, ...] = setting("Listeners for which it holds. Empty: all.", ())
    credentials: tuple[str, ...] = setting(
        'Credentials for which it holds, such as "shop" or "tenant-*". Empty: everybody.', ()
    )
    except_credentials: tuple[str, ...] = setting("Credentials for which it does not hold.", ())
    except_networks: tuple[str, ...] = setting("Networks for whose clients it does not hold.", ())
    over: OverRate = setting(
        "What becomes of what is too much: `defer`, a 4xx reply with the time to wait, or "
        "`queue`: it is taken, and sent when its turn comes.",
        OverRate.DEFER,
    )
    longest_wait: float = setting(
        "With `queue`: the longest wait; who would have to wait longer is deferred.",
        86_400.0,
        unit=Unit.SECONDS,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GuessSettings:
    """What follows when logins fail. A client is an IPv4 address or an IPv6 /64."""

    free_failures: int = setting("Failed logins of a client that are answered at once.", 1)
    first_delay: float = setting(
        "Wait before the next one is answered; for each further one it is doubled.",
        1.0,
        unit=Unit.SECONDS,
    )
    longest_delay: float = setting("The longest of these waits.", 8.0, unit=Unit.SECONDS)
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
        "Failures of one user name in an hour, from addresses that it has not come in from, "
        "after which such addresses get 454 for it. 0: never.",
        100,
    )
    known_for: float = setting(
        "Time for which an address is known from which a user has logged in. It is never shut "
        "out of that user's account.",
        30 * 86_400.0,
        unit=Unit.SECONDS,
    )
    spray_accounts: int = setting(
        "User names that fail in ten minutes before it is called a password spray...", 30
    )
    spray_addresses: int = setting("...if they come from this many clients. 0: never.", 10)
    except_networks: tuple[str, ...] = setting(
        "Networks that are never banned, such as that of a webmail server.", ()
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestSettings:
    """What follows when a stranger asks for many recipients that do not exist."""

    free_unknown: int = setting(
        "Unknown recipients of a client (an IPv4 address, an IPv6 /64) that are answered at once.",
        10,
    )
    longest_delay: float = setting(
        "The answer to each further one takes longer, up to this.", 5.0, unit=Unit.SECONDS
    )
    end_after: int = setting("Unknown recipients after which the client gets 421. 0: never.", 50)
    forgive_every: float = setting(
        "Time after which one of them is forgotten.", 10.0, unit=Unit.SECONDS
    )
    except_networks: tuple[str, ...] = setting(
        "Networks that are not slowed, such as that of a backup MX. The machine's own addresses "
        "on its networks never are.",
        ("127.0.0.0/8", "::1"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GreylistSettings:
    """Greylisting on mx listeners (RFC 6647): who is not known has to come again."""

    enabled: bool = setting("Whether it is done.", False)
    listeners: tuple[str, ...] = setting("The mx listeners on which it is. Empty: all.", ())
    delay: float = setting("Time after which one may come again.", 60.0, unit=Unit.SECONDS)
    window: float = setting("Time in which one has to come again.", 2 * 86_400.0, unit=Unit.SECONDS)
    lifetime: float = setting(
        "Time for which one who came again is known, after each message.",
        36 * 86_400.0,
        unit=Unit.SECONDS,
    )
    believe_after: int = setting(
        "Senders and recipients with which a network (IPv4 /24, IPv6 /64) came again before it "
        "is known for all. 0: never.",
        5,
    )
    skip_spf_pass: bool = setting("Let pass at once who passes SPF.", False)
    except_networks: tuple[str, ...] = setting("Networks that are not asked to come again.", ())


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
    """A list of addresses in DNS: `[dns_list."zen.example.org"]` (RFC 5782)."""

    kind: DnsListKind = setting("`block` or `allow`.", DnsListKind.BLOCK)
    action: DnsListAction = setting(
        "What follows for a client on a block list: `note`, `score`, `defer` or `refuse`.",
        DnsListAction.NOTE,
    )
    weight: int = setting("With `score`: what is added.", 1)
    codes: tuple[str, ...] = setting(
        'Answers that count, such as ["127.0.0.2-11"] or ["127.0.*.3"]. Empty: all but 127.0.0.1.',
        (),
    )
    listeners: tuple[str, ...] = setting("The mx listeners on which it is asked. Empty: all.", ())
    except_networks: tuple[str, ...] = setting("Networks that are not looked up.", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreeningSettings:
    """What the scores of DNS lists lead to."""

    defer_score: int = setting("Sum of weights from which mail is deferred. 0: never.", 0)
    refuse_score: int = setting("Sum of weights from which mail is refused. 0: never.", 0)
    timeout: float = setting("How long DNS is waited for.", 5.0, unit=Unit.SECONDS)


class CheckAction(Enum):
    """What follows from a check."""

    OFF = "off"  # it is not made
    NOTE = "note"
    DEFER = "defer"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientNameSettings:
    """Who a client of an mx listener is by its address in DNS, and who it says it is."""

    reverse: CheckAction = setting(
        "Look up whether the client's address has a name that has its address; what follows "
        "if not: `off`, `note`, `defer` or `refuse`.",
        CheckAction.OFF,
    )
    helo: CheckAction = setting(
        "Look at the name in HELO; what follows if it is none, or is ours: `off`, `note`, "
        "`defer` or `refuse`. That it does not fit the address is only noted (RFC 5321 §4.1.4).",
        CheckAction.OFF,
    )
    listeners: tuple[str, ...] = setting("The mx listeners on which it is. Empty: all.", ())
    except_networks: tuple[str, ...] = setting("Networks that are not looked at.", ())
