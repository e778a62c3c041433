"""The sandbox's rules for failing on purpose: stored, counted, and applied by its listeners.

Rules are tried in order, those of ``fail_next`` first; the first that acts decides, and those after
it do not count the case. If none acts, a recipient's address may ask for something by its name
(``policy.behavior``). Rules are stored in the inbox's settings, and their counts in its records. A
rule that is replaced starts counting anew, so that a run can be repeated.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import Struct

from pillarbox.errors import PermanentError
from pillarbox.policy.behavior import Behavior, SessionStage, behavior_of
from pillarbox.policy.failing import FailingRule, Moment, RuleInvalid, Tally, count
from pillarbox.sandbox.journal import Journal
from pillarbox.store.port import MessageId

__all__ = ["Failing", "RuleState", "SettingStore", "read_rule"]

_KIND: Final = "failing"
_BY_ADDRESS: Final = "by-address"  # a setting of another kind, so that no rule can be named so
_SWITCHES: Final = "failing-switches"
_MOST_RULES: Final = 500
_MOST_REMEMBERED: Final = 10_000  # pairs of sender and recipient, for what fails so many times


class SettingStore(Protocol):
    """Storage of small values; ``inbox.port.Inbox`` is one."""

    async def settings(self, kind: str) -> dict[str, bytes]:
        """Return small values by name."""
        ...

    async def put_setting(self, kind: str, name: str, value: bytes | None) -> None:
        """Write one; with None remove it."""
        ...


class RuleState(Struct, frozen=True):
    """A rule, and what it has done."""

    rule: FailingRule
    tally: Tally
    is_temporary: bool = False  # of ``fail_next``: not kept, and gone when it is spent

    @property
    def is_spent(self) -> bool:
        """Whether it has acted as often as it may."""
        return self.rule.is_spent(self.tally)


def read_rule(fields: dict[str, Any]) -> FailingRule:
    """Parse a rule from a JSON object.

    Raises:
        RuleInvalid: A field is unknown, of the wrong type, or makes no sense.
    """
    known = FailingRule.__struct_fields__
    unknown = set(fields) - set(known)
    if unknown:
        raise RuleInvalid(
            min(unknown), f"there is no such field; the fields are {', '.join(known)}"
        )
    try:
        return msgspec.convert(fields, FailingRule)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        raise RuleInvalid(path.rstrip("`") or "rule", reason) from error


class Failing:
    """Decides when the sandbox fails, and how (``receive.misbehavior.Misbehavior``)."""

    def __init__(
        self,
        store: SettingStore,
        *,
        now: Callable[[], float],
        project_of: Callable[[str, str, Sequence[str]], str],
        tallies: Journal[Tally] | None = None,
        by_address: bool = True,
        on_change: Callable[[], None] = lambda: None,
        give_back: Callable[[MessageId, tuple[str, ...]], None] = lambda _message, _to: None,
    ) -> None:
        """Begin without rules; ``load`` brings those that were kept.

        Args:
            store: Where rules are kept.
            now: The wall clock.
            project_of: Which project mail of an identity, a sender and recipients goes to.
            tallies: Where counts are kept; None: they begin anew at each start.
            by_address: Whether recipients' addresses may ask for failures.
            on_change: Called when rules have changed.
            give_back: Called with mail that ``bounce-later@`` was named for.
        """
        self._store = store
        self._now = now
        self._project_of = project_of
        self._tallies = tallies or Journal(None, "", Tally)
        self._by_address = by_address
        self._on_change = on_change
        self._give_back = give_back
        self._numbers = itertools.count(1)
        self._states: dict[str, RuleState] = {}
        self._at: dict[SessionStage, tuple[str, ...]] = {}
        self._tries: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._has_projects = False

    # --- rules -----------------------------------------------------------------------

    @property
    def by_address(self) -> bool:
        """Whether recipients' addresses may ask for failures."""
        return self._by_address

    def rules(self, project: str | None = None) -> tuple[RuleState, ...]:
        """Return the rules in the order in which they are asked.

        Args:
            project: Only those that hold in this project; None: all.
        """
        return tuple(
            state
            for state in self._ordered()
            if project is None or state.rule.project in {"", project}
        )

    def get(self, name: str) -> RuleState | None:
        """Return one."""
        return self._states.get(name)

    def new_name(self) -> str:
        """Return a name that no rule has."""
        names = (f"rule-{number}" for number in itertools.count(1))
        return next(name for name in names if name not in self._states)

    async def load(self) -> None:
        """Load the stored rules; those that can no longer be read are skipped."""
        tallies = await self._tallies.load()
        for _, value in sorted((await self._store.settings(_KIND)).items()):
            try:
                rule = msgspec.json.decode(value, type=FailingRule)
            except (msgspec.MsgspecError, RuleInvalid):
                continue
            self._states[rule.id] = RuleState(rule, tallies.get(rule.id, Tally()))
        switches = await self._store.settings(_SWITCHES)
        if _BY_ADDRESS in switches:
            self._by_address = switches[_BY_ADDRESS] == b"true"
        self._arrange()

    async def put(self, rule: FailingRule) -> None:
        """Store a rule; one with the same name is replaced, and its counts start over.

        Raises:
            PermanentError: There are too many.
            StoreUnavailable: It cannot be stored.
        """
        if rule.id not in self._states and len(self._states) >= _MOST_RULES:
            raise PermanentError(f"there are {_MOST_RULES} rules already; remove some first")
        await self._store.put_setting(_KIND, rule.id, msgspec.json.encode(rule))
        self._states[rule.id] = RuleState(rule, Tally())
        self._tallies.note(rule.id, None)
        self._arrange()
        self._on_change()

    async def remove(self, name: str) -> bool:
        """Remove a rule; return whether there was one."""
        state = self._states.get(name)
        if state is None:
            return False
        if not state.is_temporary:
            await self._store.put_setting(_KIND, name, None)
            self._tallies.note(name, None)
        self._states.pop(name, None)
        self._arrange()
        self._on_change()
        return True

    async def clear(self, project: str | None = None) -> int:
        """Remove the rules of a project, or all, and forget who was tried; return how many."""
        names = [
            state.rule.id
            for state in self._ordered()
            if project is None or state.rule.project == project
        ]
        for name in names:
            await self.remove(name)
        self.forget_tries()
        return len(names)

    def forget_tries(self) -> None:
        """Start over with addresses that fail a number of times, such as ``greylist@``."""
        self._tries.clear()

    async def let_addresses_ask(self, *, may: bool) -> None:
        """Enable or disable failures by recipient address."""
        await self._store.put_setting(_SWITCHES, _BY_ADDRESS, b"true" if may else b"false")
        self._by_address = may
        self._on_change()

    def fail_next(self, *, stage: SessionStage = SessionStage.RCPT, **fields: Any) -> FailingRule:
        """Fail the next matching session, command or message, and nothing after it.

        Args:
            stage: Where.
            fields: Of ``FailingRule``; ``count`` is 1, ``code`` 451 unless given.

        Raises:
            RuleInvalid: The fields make no sense.
        """
        fields.setdefault("count", 1)
        if not {"code", "delay", "disconnect", "discards"} & set(fields):
            fields["code"] = 451
        name = fields.pop("id", "") or f"next-{next(self._numbers)}"
        rule = FailingRule(id=name, stage=stage, **fields)
        if len(self._states) >= _MOST_RULES:
            raise PermanentError(f"there are {_MOST_RULES} rules already; remove some first")
        self._states[rule.id] = RuleState(rule, Tally(), is_temporary=True)
        self._arrange()
        self._on_change()
        return rule

    def _ordered(self) -> list[RuleState]:
        return sorted(self._states.values(), key=lambda state: not state.is_temporary)

    def _arrange(self) -> None:
        ordered = self._ordered()
        self._at = {
            stage: tuple(state.rule.id for state in ordered if state.rule.stage is stage)
            for stage in SessionStage
        }
        self._has_projects = any(state.rule.project for state in ordered)

    # --- what listeners ask ----------------------------------------------------------

    def at(self, moment: Moment) -> Behavior | None:
        """Return what to do at a moment, or None to continue as usual."""
        names = self._at.get(moment.stage)
        if names:
            behavior = self._by_rules(names, moment)
            if behavior is not None:
                return behavior
        if moment.stage is SessionStage.RCPT and self._by_address:
            return self._by_name(moment)
        return None

    def bounce(self, message: MessageId, recipients: tuple[str, ...]) -> None:
        """Have a message given back to its sender later."""
        self._give_back(message, recipients)

    def _by_rules(self, names: Sequence[str], moment: Moment) -> Behavior | None:
        if self._has_projects:
            project = self._project_of(moment.identity, moment.sender, moment.recipients)
            moment = msgspec.structs.replace(moment, project=project)
        for name in names:
            state = self._states[name]
            if not state.rule.applies(moment):
                continue
            acts, tally = count(state.rule, state.tally, now=self._now())
            self._count(msgspec.structs.replace(state, tally=tally))
            if acts:
                return state.rule.behavior()
        return None

    def _count(self, state: RuleState) -> None:
        if state.is_temporary and state.is_spent:
            del self._states[state.rule.id]
            self._arrange()
            self._on_change()
            return
        self._states[state.rule.id] = state
        if not state.is_temporary:
            self._tallies.note(state.rule.id, state.tally)

    def _by_name(self, moment: Moment) -> Behavior | None:
        (address,) = moment.recipients
        behavior = behavior_of(address.rpartition("@")[0].strip('"'))
        if behavior.times is None:
            return behavior
        key = (moment.sender, address.lower())
        tries = self._tries.pop(key, 0) + 1
        self._tries[key] = tries
        if len(self._tries) > _MOST_REMEMBERED:
            self._tries.popitem(last=False)
        return None if tries > behavior.times else behavior
