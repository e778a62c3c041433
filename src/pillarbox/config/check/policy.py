"""Checks of the relay policy: rules that are malformed, have no effect, or open the relay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from pillarbox.config.check.report import Check, Report
from pillarbox.config.loader import Loaded
from pillarbox.config.relay import is_trustworthy, relay_policy
from pillarbox.config.settings import OwnerSettings, RuleAction, RuleSettings
from pillarbox.errors import PermanentError
from pillarbox.findings import Finding
from pillarbox.policy.networks import is_private, is_too_wide, parse_network
from pillarbox.policy.patterns import RecipientDomains
from pillarbox.policy.recipients import LocalDomain, LocalDomains
from pillarbox.policy.relay_proof import prove
from pillarbox.policy.rules import Client
from pillarbox.policy.senders import Senders

__all__ = ["POLICY_CHECKS"]

_CONDITIONS: Final = ("listeners", "credentials", "networks", "senders", "recipients")


def _acknowledged(loaded: Loaded) -> Iterator[Finding]:
    settings = loaded.settings
    report = Report(loaded, "policy", "acknowledged_networks")
    used = {
        parse_network(text)
        for table in (*settings.listener.values(), *settings.rule.values())
        for text in getattr(table, "trusted_networks", None)
        or getattr(table, "networks", None)
        or ()
    }
    for text in settings.policy.acknowledged_networks:
        network = parse_network(text)
        if network is None:
            yield report.error(*_malformed(112, text, "a network", _NETWORK))
        elif is_too_wide(network):
            yield report.error(
                110,
                f'{{key}} has "{text}", which is a large part of the internet.',
                "Nobody can vouch for everybody in it: an open relay.",
                "Name the network that you own.",
            )
        elif network not in used or is_private(network):
            yield report.warning(
                111,
                f'{{key}} has "{text}", which needs no acknowledgement.',
                "It is private, or it is trusted nowhere.",
                "Remove it, or write it in trusted_networks exactly as here.",
            )


def _patterns(loaded: Loaded) -> Iterator[Finding]:
    tables: list[tuple[str, str, RuleSettings | OwnerSettings]] = [
        *(("rule", name, rule) for name, rule in loaded.settings.rule.items()),
        *(("owner", name, owner) for name, owner in loaded.settings.owner.items()),
    ]
    for section, name, table in tables:
        for key in _CONDITIONS:
            texts: Sequence[str] | None = getattr(table, key, None)
            report = Report(loaded, section, name, key)
            if texts is not None and not texts:
                yield report.error(
                    114,
                    "{key} is an empty list.",
                    "It would apply to nobody; without the key, it applies to everybody.",
                    "Name some, or remove the key.",
                )
            for text in texts or ():
                if not _is_pattern(key, text):
                    yield report.error(*_malformed(112, text, *_FORMS[key]))


def _is_pattern(key: str, text: str) -> bool:
    reader = _READERS.get(key)
    if reader is None:
        return bool(text.strip())
    try:
        return reader([text]) is not None
    except PermanentError:
        return False


_READERS: Final[dict[str, Callable[[list[str]], object]]] = {
    "networks": lambda texts: parse_network(texts[0]),
    "senders": Senders,
    "recipients": RecipientDomains,
}
_NETWORK: Final = 'Write it as "10.0.0.0/8", "fd00::/8" or "127.0.0.1".'
_FORMS: Final = {
    "listeners": ("the name of a listener", 'Write it as in [listener.NAME]: "submission".'),
    "credentials": ("a credential", 'Write it as "shop", "tenant-*" or "*".'),
    "networks": ("a network", _NETWORK),
    "senders": (
        "a pattern of senders",
        'Write it as "ann@example.org", "news-*@example.org", "@example.org" or "@*.example.org".',
    ),
    "recipients": (
        "a pattern of domains",
        'Write it as "example.org", "*.example.org" or "*".',
    ),
}


def _malformed(number: int, text: str, what: str, fix: str) -> tuple[int, str, str, str]:
    return number, f'{{key}} has "{text}", which is not {what}.', "It would never match.", fix


def _listeners(loaded: Loaded) -> Iterator[Finding]:
    for name, rule in loaded.settings.rule.items():
        for listener in rule.listeners or ():
            if listener not in loaded.settings.listener:
                known = ", ".join(loaded.settings.listener) or "(there is none)"
                yield Report(loaded, "rule", name, "listeners").error(
                    113,
                    f'{{key}} has "{listener}", which is not a listener.',
                    "The rule would never match there.",
                    f"Known: {known}.",
                )


def _public_rules(loaded: Loaded) -> Iterator[Finding]:
    for name, rule in loaded.settings.rule.items():
        if rule.action is not RuleAction.ALLOW:
            continue
        for text in rule.networks or ():
            network = parse_network(text)
            if network is not None and not is_trustworthy(network, loaded.settings):
                yield Report(loaded, "rule", name, "networks").error(
                    119,
                    f'{{key}} has "{text}", which is not a private network.',
                    "Everybody in it could send by this rule without logging in.",
                    "Let these clients log in; or, if you vouch for every one of them, "
                    f'policy.acknowledged_networks = ["{network}"].',
                )


def _owners(loaded: Loaded) -> Iterator[Finding]:
    for name, owner in loaded.settings.owner.items():
        if owner.credentials is None and owner.networks is None:
            yield Report(loaded, "owner", name).error(
                117,
                f"owner {name} names neither credentials nor networks.",
                "Its senders are nobody's.",
                'credentials = ["shop"]',
            )
        if "*" in owner.senders and "*" in (owner.credentials or ()):
            yield Report(loaded, "owner", name, "senders").warning(
                118,
                "{key} lets every login send as anybody.",
                "One stolen password is enough to forge every address of yours.",
                'Give each credential its own: senders = ["@example.org"].',
            )


def _users_without_senders(loaded: Loaded) -> Iterator[Finding]:
    """Who logs in by the user file has the senders of [owner.NAME], and his own name."""
    path = loaded.settings.auth.file
    try:
        lines = path.read_text(encoding="utf-8").splitlines() if path else []
        policy = relay_policy(loaded.settings, LocalDomains())
    except (OSError, UnicodeDecodeError, PermanentError):
        return  # it has its own finding
    users = [line.partition(":")[0].strip() for line in lines if not line.startswith("#")]
    poor = [
        user
        for user in users
        if user and not policy.senders_of(Client(listener="", address="", credential=user))
    ]
    if poor:
        more = f" and {len(poor) - 1} more" if len(poor) > 1 else ""
        yield Report(loaded, "auth", "file").warning(
            120,
            f"{poor[0]}{more} in {{key}} may log in, and owns no sender.",
            "Every MAIL FROM of theirs is refused with 550 5.7.1.",
            f'[owner.NAME] with credentials = ["{poor[0]}"] and senders = ["@example.org"]',
        )


def _order(loaded: Loaded) -> Iterator[Finding]:
    closing = ""
    for name, rule in loaded.settings.rule.items():
        if closing:
            yield Report(loaded, "rule", name).warning(
                116,
                f"rule {name} is never reached: rule {closing} before it matches everything.",
                "The first rule that matches decides.",
                f"Put [rule.{name}] above [rule.{closing}].",
            )
        if all(getattr(rule, key) is None for key in _CONDITIONS):
            closing = closing or name


def _open_relay(loaded: Loaded) -> Iterator[Finding]:
    """Try every case of the policy, as ``pillarbox relay prove`` does."""
    settings = loaded.settings
    domains = LocalDomains(LocalDomain(name=name) for name in settings.domain)
    try:
        proof = prove(relay_policy(settings, domains))
    except PermanentError:
        return  # a pattern is malformed, and has its own finding
    for rule in dict.fromkeys(case.rule for case in proof.counterexamples):
        case = next(each for each in proof.counterexamples if each.rule == rule)
        yield Report(loaded, "rule", rule).error(
            115,
            f"rule {rule} makes this server an open relay: {case.client.address} may send from "
            f"<{case.sender or ''}> to <{case.recipient}> through listener {case.client.listener}.",
            "Anybody can write any sender; spammers find an open relay within hours.",
            "Add credentials or networks to the rule, or name the domains in recipients.",
        )


POLICY_CHECKS: Final[tuple[Check, ...]] = (
    _acknowledged,
    _patterns,
    _listeners,
    _public_rules,
    _owners,
    _users_without_senders,
    _order,
    _open_relay,
)
