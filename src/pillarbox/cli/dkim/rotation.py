"""``pillarbox dkim check`` and ``rotate``: the keys in DNS, and the next step of a rotation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from pillarbox.cli.context import FAILED, Context, pass_context
from pillarbox.cli.dkim.keys import Keys, mail_domain, make_authorities, show_records
from pillarbox.cli.output import finding_object, plural
from pillarbox.config.settings import Unit
from pillarbox.config.units import EXAMPLES, parse_quantity
from pillarbox.findings import Level
from pillarbox.keyring.inspection import Inspection, inspect
from pillarbox.keyring.kept_key import KeptKey
from pillarbox.keyring.rotation import Step, activate, algorithms_of, retire, see
from pillarbox.mailauth.authorities import Authorities
from pillarbox.policy.key_life import KeyCause, KeyState

__all__ = ["check", "rotate"]

_ZONE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
_WAITING: Final = frozenset({KeyState.MADE, KeyState.PUBLISHED, KeyState.SEEN})


@click.command(short_help="Compare the keys with every authoritative server.")
@click.argument("domain", default="")
@click.option("--zone", type=_ZONE, help="Resolve names from this zone file only.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per key.")
@pass_context
def check(context: Context, domain: str, zone: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click
    """Compare the keys with every authoritative server; exit 1 on a difference."""
    with context.errors():
        keys = Keys.of(context.load())
        found = keys.of_domain(domain)
        inspections = _inspect(keys, found, make_authorities(keys.settings, zone))
        steps = see(inspections, keys.now)
        keys.keep(*(step.after for step in steps))
    states = {step.after.name: step.after.state for step in steps}
    for each in inspections:
        if as_json:
            context.out.json(_object(each, states.get(each.key.name, each.key.state)))
        else:
            context.out.findings([each.finding])
    if not as_json:
        for step in steps:
            context.out.say(step.text)
        if not inspections:
            context.out.say("There is no key to look for.")
    if any(each.finding.level >= Level.WARNING for each in inspections):
        raise click.exceptions.Exit(FAILED)


@click.command(short_help="Take the next step in rotating the keys of DOMAIN.")
@click.argument("domain")
@click.option("--zone", type=_ZONE, help="Resolve names from this zone file only.")
@click.option("--force", is_flag=True, help="Sign with new keys whatever DNS says.")
@click.option(
    "--if-older", "age", help='Create new keys only if the signing ones are older: "180 d".'
)
@pass_context
def rotate(
    context: Context,
    domain: str,
    zone: Path | None,
    force: bool,  # noqa: FBT001 - click
    age: str | None,
) -> None:
    """Take the next step in rotating the keys of DOMAIN; run it again until it is done.

    It makes new keys, lets them sign as soon as every authoritative server has their records,
    and destroys the old ones when no mail that they signed can be on its way any more. With
    --if-older it can be run daily by cron; exit 1 while records are waited for.
    """
    domain, oldest = mail_domain(domain), _seconds(age)
    with context.errors():
        keys = Keys.of(context.load())
        taken = keys.take(
            retire(_of(keys, domain), keys.now, keys.settings.queue.lifetime), context.out
        )
        waiting = [key for key in _of(keys, domain) if key.state in _WAITING]
        if not waiting:
            _begin(context, keys, domain, oldest)
            return
        inspections = _inspect(keys, waiting, make_authorities(keys.settings, zone))
        keys.take(see(inspections, keys.now), context.out)
        steps = _forced(keys, domain) if force else activate(_of(keys, domain), keys.now)
        taken += keys.take(steps, context.out)
    if steps:
        context.out.say("Run `pillarbox reload`, and a running node signs with them.")
        return
    context.out.findings(each.finding for each in inspections)
    context.out.say("Nothing was changed: new keys sign when all servers have their records.")
    raise click.exceptions.Exit(FAILED)


def _seconds(age: str | None) -> float:
    seconds = 0.0 if age is None else parse_quantity(age, Unit.SECONDS)
    if seconds is None:
        raise click.UsageError(f"{age!r} is not an age, such as {EXAMPLES[Unit.SECONDS]}")
    return seconds


def _begin(context: Context, keys: Keys, domain: str, oldest: float) -> None:
    signing = [key for key in _of(keys, domain) if key.state is KeyState.SIGNING]
    if signing and all(keys.now - key.since < oldest for key in signing):
        context.out.say("The keys that sign are not that old; nothing was changed.")
        return
    made = keys.make(domain, algorithms_of(keys.rules(domain)))
    show_records(context.out, keys, made)
    context.out.say(
        f"Made {plural(len(made), 'key')}. Publish the records, then run "
        f"`pillarbox dkim rotate {domain}` again."
    )


def _of(keys: Keys, domain: str) -> list[KeptKey]:
    return [key for key in keys.all if key.domain == domain]


def _forced(keys: Keys, domain: str) -> list[Step]:
    """Let what waits sign, and what signed rest."""
    own = _of(keys, domain)
    begun = [Step(key, key.must(KeyCause.FORCED, keys.now)) for key in own if key.state in _WAITING]
    kinds = {step.after.algorithm for step in begun}
    replaced = [
        Step(key, key.must(KeyCause.REPLACED, keys.now))
        for key in own
        if key.state is KeyState.SIGNING and key.algorithm in kinds
    ]
    return begun + replaced


def _inspect(
    keys: Keys, some: Iterable[KeptKey], authorities: Authorities
) -> tuple[Inspection, ...]:
    async def ask() -> tuple[Inspection, ...]:
        return tuple(
            await asyncio.gather(*(inspect(key, authorities, keys.delegate(key)) for key in some))
        )

    return asyncio.run(ask())


def _object(inspection: Inspection, state: KeyState) -> dict[str, Any]:
    return {
        **finding_object(inspection.finding),
        "name": inspection.key.name,
        "state": state.value,
        "servers": [
            {
                "server": each.server,
                "sight": each.sight.value,
                "detail": each.detail,
                "aliases": list(each.aliases),
            }
            for each in inspection.servers
        ],
    }
