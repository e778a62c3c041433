"""Mailpit's chaos, expressed as rules: a code and a probability at three stages.

The rules are named ``chaos-sender``, ``chaos-recipient`` and ``chaos-authentication``, and are
listed among all others.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from pillarbox.errors import PermanentError
from pillarbox.policy.behavior import SessionStage
from pillarbox.policy.failing import FailingRule
from pillarbox.sandbox.failing import Failing

__all__ = ["Chaos", "Trigger", "chaos_of", "parse_chaos", "set_chaos"]

_PERCENT: Final = 100
_CODES: Final = range(400, 600)


class Trigger(Struct, frozen=True):
    """How often something fails, and how."""

    code: int = 451
    probability: int = 0  # percent


class Chaos(Struct, frozen=True, kw_only=True):
    """What fails, in Mailpit's terms."""

    sender: Trigger = Trigger(451)
    recipient: Trigger = Trigger(451)
    authentication: Trigger = Trigger(535)


_STAGES: Final = {
    "sender": SessionStage.MAIL,
    "recipient": SessionStage.RCPT,
    "authentication": SessionStage.AUTH,
}


def chaos_of(failing: Failing) -> Chaos:
    """Return the triggers that are set."""
    chaos: dict[str, Trigger] = {}
    for name in _STAGES:
        state = failing.get(f"chaos-{name}")
        if state is not None:
            percent = round(state.rule.probability * _PERCENT)
            chaos[name] = Trigger(state.rule.code, percent)
    return Chaos(**chaos)


async def set_chaos(failing: Failing, chaos: Chaos) -> None:
    """Set all three triggers.

    Raises:
        PermanentError: A code is not 400 to 599, or a probability not 0 to 100.
    """
    for name in _STAGES:
        _check(name, getattr(chaos, name))
    for name, stage in _STAGES.items():
        trigger: Trigger = getattr(chaos, name)
        if trigger == getattr(Chaos(), name):
            await failing.remove(f"chaos-{name}")
            continue
        await failing.put(
            FailingRule(
                id=f"chaos-{name}",
                stage=stage,
                code=trigger.code,
                probability=trigger.probability / _PERCENT,
                text=f"Chaos: {name} error",
            )
        )


def parse_chaos(text: str) -> Chaos:
    """Parse triggers in Mailpit's notation, such as ``Sender:451:50,Recipient:550:10``.

    Raises:
        PermanentError: It is malformed.
    """
    triggers: dict[str, Trigger] = {}
    for part in filter(None, text.replace(" ", "").split(",")):
        name, _, numbers = part.partition(":")
        code, _, percent = numbers.partition(":")
        if name.lower() not in _STAGES or not (code.isdecimal() and percent.isdecimal()):
            raise PermanentError(f'{part!r} is not a trigger; write "Sender:451:50"')
        triggers[name.lower()] = Trigger(int(code), int(percent))
        _check(name, triggers[name.lower()])
    return Chaos(**triggers)


def _check(name: str, trigger: Trigger) -> None:
    if trigger.code not in _CODES:
        raise PermanentError(f"{name}: {trigger.code} is not a failure; use 400 to 599")
    if not 0 <= trigger.probability <= _PERCENT:
        raise PermanentError(f"{name}: the probability must be 0 to {_PERCENT} percent")
