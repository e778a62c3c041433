"""``pillarbox dkim``: DKIM keys, from creation to removal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click
from rich.table import Column
from rich.text import Text

from pillarbox.cli.context import Context, pass_context
from pillarbox.cli.dkim.explain import explain
from pillarbox.cli.dkim.keys import Keys, key_object, mail_domain, show_records
from pillarbox.cli.dkim.rotation import check, rotate
from pillarbox.cli.output import safe, show_age
from pillarbox.errors import PermanentError
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.keyring.rotation import algorithms_of
from pillarbox.mailauth.dkim import read_private_key
from pillarbox.mailauth.dkim.algorithm import Algorithm, key_bits
from pillarbox.policy.key_life import KeyCause, KeyState, settled_at
from pillarbox.smtp.address import ascii_domain

__all__ = ["dkim"]

_SELECTOR: Final = re.compile(
    r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?)*"
)
_STATE_STYLES: Final = {
    KeyState.SIGNING: "good",
    KeyState.SEEN: "good",
    KeyState.RETIRED: "quiet",
}


@click.group()
def dkim() -> None:
    """Create, check, rotate and explain DKIM keys.

    \b
    A first key:
      pillarbox dkim new example.org       make keys, print their records
      pillarbox dkim check example.org     see whether all servers have them
      pillarbox dkim rotate example.org    let them sign
    """  # noqa: D301 - click's mark: do not wrap


dkim.add_command(check)
dkim.add_command(rotate)
dkim.add_command(explain)


@dkim.command()
@click.argument("domain")
@click.option("--selector", default="", help="Its name. Default: named by the month.")
@click.option(
    "--algorithm",
    type=click.Choice([each.key_type for each in Algorithm]),
    help="Only this one. Default: as dkim_domain.DOMAIN.algorithm says.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per key.")
@pass_context
def new(
    context: Context,
    domain: str,
    selector: str,
    algorithm: str | None,
    as_json: bool,  # noqa: FBT001 - click
) -> None:
    """Create keys for DOMAIN and print the records to publish. They do not sign yet."""
    domain = mail_domain(domain)
    with context.errors():
        keys = Keys.of(context.load())
        rules = keys.rules(domain)
        chosen = [each for each in Algorithm if each.key_type == algorithm] or algorithms_of(rules)
        if selector and len(chosen) > 1:
            raise click.UsageError("--selector names one key: give --algorithm as well")
        made = keys.make(domain, chosen, _selector(selector))
        if as_json:
            for key in made:
                context.out.json(key_object(key, rules.delegate))
            return
        show_records(context.out, keys, made)
    context.out.say(
        f"Publish {'this' if len(made) == 1 else 'these'}, then run "
        f"`pillarbox dkim rotate {domain}` to let {'it' if len(made) == 1 else 'them'} sign."
    )


@dkim.command("import")
@click.argument("domain")
@click.argument("selector")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--passphrase-file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--sign", is_flag=True, help="Sign with it at once, because its record is already published."
)
@pass_context
def import_key(
    context: Context,
    domain: str,
    selector: str,
    file: Path,
    passphrase_file: Path | None,
    sign: bool,  # noqa: FBT001 - click
) -> None:
    """Import a private key that is published under SELECTOR.

    FILE is PEM or DER (as from OpenDKIM, rspamd or OpenSSL), or the base64 of an Ed25519 seed.
    """
    domain, selector = mail_domain(domain), _selector(selector)
    with context.errors():
        keys = Keys.of(context.load())
        if any((key.domain, key.selector) == (domain, selector) for key in keys.all):
            raise PermanentError(f"{domain} has or had a key with the selector {selector}")
        passphrase = passphrase_file.read_bytes().rstrip(b"\r\n") if passphrase_file else None
        try:
            private = read_private_key(file.read_bytes(), passphrase)
        except PermanentError as error:
            raise PermanentError(f"{file}: {error}") from error
        key = KeptKey.new(domain, selector, private, keys.now)
        keys.keep(key.must(KeyCause.FORCED, keys.now) if sign else key)
    kind = f"{key.algorithm.key_type} key of {key_bits(private)} bits"
    context.out.say(f"Took the {kind} as {key.name}.")
    context.out.say(
        "Run `pillarbox reload`, and a running node signs with it."
        if sign
        else f"`pillarbox dkim check {domain}` compares it with DNS."
    )


@dkim.command("list")
@click.argument("domain", default="")
@click.option("--all", "with_retired", is_flag=True, help="Include retired keys.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per key.")
@pass_context
def list_keys(
    context: Context,
    domain: str,
    with_retired: bool,  # noqa: FBT001 - click
    as_json: bool,  # noqa: FBT001 - click
) -> None:
    """List the keys and their states."""
    with context.errors():
        keys = Keys.of(context.load())
    wanted = ascii_domain(domain)
    found = [
        key
        for key in keys.all
        if key.domain == (wanted or key.domain)
        and (with_retired or key.state is not KeyState.RETIRED)
    ]
    if as_json:
        for key in found:
            context.out.json(key_object(key, keys.delegate(key)))
        return
    if not found:
        context.out.say("There is no key; `pillarbox dkim new DOMAIN` makes some.")
        return
    context.out.table(
        (
            Column("domain", overflow="fold"),
            Column("selector", overflow="fold"),
            Column("key", no_wrap=True),
            Column("state", no_wrap=True),
            Column("for", no_wrap=True),
            Column("next", overflow="fold"),
        ),
        (
            (
                safe(key.domain),
                safe(key.selector),
                _kind(key),
                Text(key.state.value, style=_STATE_STYLES.get(key.state, "doubt")),
                show_age(keys.now - key.since),
                Text(_next(key, keys), style="quiet"),
            )
            for key in found
        ),
    )


@dkim.command(short_help="Print the records of the keys, ready to paste.")
@click.argument("domain", default="")
@click.option("--selector", default="", help="Only this key.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per key.")
@pass_context
def dns(context: Context, domain: str, selector: str, as_json: bool) -> None:  # noqa: FBT001 - click
    """Print the records of the keys, ready to paste into a zone file or a form."""
    with context.errors():
        keys = Keys.of(context.load())
        found = keys.of_domain(domain, selector)
    if as_json:
        for key in found:
            context.out.json(key_object(key, keys.delegate(key)))
    else:
        show_records(context.out, keys, found)


@dkim.command(short_help="Destroy a key that is not needed or was compromised.")
@click.argument("domain")
@click.argument("selector")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@pass_context
def retire(context: Context, domain: str, selector: str, yes: bool) -> None:  # noqa: FBT001 - click
    """Destroy a key now, because it is no longer needed or was compromised.

    Mail on its way that it signed can still be verified as long as its record stays. If the
    key may have been stolen, replace the record by one with an empty p=, which revokes it.
    """
    with context.errors():
        keys = Keys.of(context.load())
        (key,) = keys.of_domain(domain, selector)
        last = key.state is KeyState.SIGNING and not any(
            other.domain == key.domain and other.state is KeyState.SIGNING and other != key
            for other in keys.all
        )
        retired = key.must(KeyCause.REVOKED, keys.now)
        warning = " Nothing else signs for the domain." if last else ""
        if not yes:
            click.confirm(f"Destroy the {key.state.value} key {key.name}?{warning}", abort=True)
        keys.keep(retired)
    context.out.say(f"{key.name} is destroyed. Run `pillarbox reload` where a node runs.")
    context.out.say(f'To revoke it: {key.name}. 3600 IN TXT "v=DKIM1; p="')


def _selector(text: str) -> str:
    selector = text.lower()
    if selector and not _SELECTOR.fullmatch(selector):
        raise click.UsageError(f"{text!r} is not a selector: letters, digits, hyphens, dots")
    return selector


def _kind(key: KeptKey) -> str:
    if key.algorithm is Algorithm.RSA_SHA256 and key.private is not None:
        return f"rsa {key_bits(key.private.private_key)}"
    return key.algorithm.key_type


def _next(key: KeptKey, keys: Keys) -> str:
    match key.state:
        case KeyState.MADE | KeyState.PUBLISHED:
            return f"publish it, then `dkim rotate {key.domain}`"
        case KeyState.SEEN:
            return f"`dkim rotate {key.domain}` lets it sign"
        case KeyState.SIGNING:
            return ""
        case KeyState.RESTING:
            left = settled_at(key.since, keys.settings.queue.lifetime) - keys.now
            return f"may be destroyed in {show_age(left)}" if left > 0 else "may be destroyed"
        case KeyState.RETIRED:
            return "its record may go"
