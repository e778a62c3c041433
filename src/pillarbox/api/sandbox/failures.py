"""Native API: failures on purpose."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from pillarbox.api.sandbox.problems import problems
from pillarbox.api.serving import InProject, TheSandbox
from pillarbox.policy.behavior import BEHAVIORS, Break, SessionStage
from pillarbox.policy.failing import LONGEST_DELAY, FailingRule, RuleInvalid, Tally
from pillarbox.sandbox.failing import RuleState
from pillarbox.sandbox.service import Sandbox
from pillarbox.web.problems import Fault, Problem
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(prefix="/failures", tags=["Failing on purpose"])

Name = Annotated[str, Path(min_length=1, max_length=400, examples=["rule-1"])]
Stage = Literal["connect", "helo", "starttls", "auth", "mail", "rcpt", "data", "dot"]


class RuleFields(BaseModel):
    """When to fail, how, and how often. It says `code`, waits, and breaks the connection."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"stage": "rcpt", "recipient": "*@example.com", "code": 451, "count": 2}]
        },
    )

    stage: Stage = "rcpt"
    project: str = Field("", max_length=63, description="Empty: in every project.")
    recipient: str = Field("", max_length=400, examples=["*@example.com"])
    sender: str = Field("", max_length=400, examples=["*@example.org"])
    client: str = Field("", max_length=50, description="Address or network of the peer.")
    code: int = Field(0, ge=0, le=599, examples=[451], description="400 to 599; 0 says nothing.")
    enhanced: str = Field("", max_length=11, examples=["4.2.1"])
    text: str = Field("", max_length=400)
    delay: float = Field(0.0, ge=0, le=LONGEST_DELAY, description="Seconds.")
    disconnect: Literal["none", "close", "reset"] = "none"
    discards: bool = Field(False, description="Accept the message, then discard it.")  # noqa: FBT003 - as pydantic has it
    count: int = Field(0, ge=0, le=2**31, description="Number of times; 0 means forever.")
    every: int = Field(1, ge=1, le=2**31, description="Only every nth time.")
    rate: str = Field("", max_length=40, examples=["5 / min"], description="Only what is over it.")
    probability: float = Field(1.0, ge=0, le=1)
    seed: int = Field(0, ge=0, le=2**63 - 1, description="Of the probability: it can be repeated.")
    note: str = Field("", max_length=1_000)


class RuleShown(RuleFields):
    """A rule, and what it has done."""

    id: str
    matched: int = Field(description="How often it was checked and matched.")
    acted: int
    is_spent: bool
    is_temporary: bool = Field(description="It is removed once it is used up.")


class AddressForm(BaseModel):
    """A local part that fails by itself, on any domain."""

    form: str = Field(examples=["greylist@"])
    what: str


class Switches(BaseModel):
    """What holds for all."""

    model_config = ConfigDict(extra="forbid")

    by_address: bool = Field(description="Whether recipient addresses can ask for failures.")


class Cleared(BaseModel):
    """How many rules there were."""

    removed: int


@router.get("", summary="List rules")
async def list_rules(sandbox: TheSandbox, project: InProject = None) -> list[RuleShown]:
    """Return the rules in the order in which they are asked."""
    return [_show(state) for state in sandbox.failing.rules(project)]


@router.delete("", summary="Remove all rules")
async def clear_rules(sandbox: TheSandbox, project: InProject = None) -> Cleared:
    """Remove the rules of a project, or all, and begin anew with `greylist@` and the like."""
    return Cleared(removed=await sandbox.failing.clear(project))


@router.post("", summary="Add a rule", status_code=201)
async def add_rule(sandbox: TheSandbox, fields: RuleFields) -> RuleShown:
    """Keep a rule under a name of its own."""
    return await _put(sandbox, sandbox.failing.new_name(), fields)


@router.post("/next", summary="Fail once", status_code=201)
async def fail_next(sandbox: TheSandbox, fields: RuleFields) -> RuleShown:
    """Fail the next time that the rule's conditions hold, and not again. It is not kept."""
    rule = sandbox.failing.fail_next(**_chosen(fields))
    state = sandbox.failing.get(rule.id)
    if state is None:
        raise Problem(409, "The rule was used up at once.")
    return _show(state)


@router.get("/addresses", summary="Addresses that fail")
async def list_addresses() -> list[AddressForm]:
    """Return the local parts by which a recipient asks for a failure."""
    return [AddressForm(form=behavior.form, what=behavior.what) for behavior in BEHAVIORS]


@router.put("/switches", summary="Let addresses fail, or not")
async def put_switches(sandbox: TheSandbox, switches: Switches) -> Switches:
    """Say whether recipients' addresses may ask for failures."""
    await sandbox.failing.let_addresses_ask(may=switches.by_address)
    return switches


@router.get("/{id}", summary="Read a rule", responses=problems(_404="No such rule."))
async def read_rule(sandbox: TheSandbox, id: Name) -> RuleShown:  # noqa: A002 - as it stands in the path
    """Return a rule, and how often it has acted."""
    state = sandbox.failing.get(id)
    if state is None:
        raise Problem(404, f"There is no rule {id!r}.")
    return _show(state)


@router.put("/{id}", summary="Write a rule")
async def put_rule(sandbox: TheSandbox, id: Name, fields: RuleFields) -> RuleShown:  # noqa: A002 - as it stands in the path
    """Keep a rule under this name; its counts begin anew."""
    return await _put(sandbox, id, fields)


@router.delete(
    "/{id}", summary="Remove a rule", status_code=204, responses=problems(_404="No such rule.")
)
async def remove_rule(sandbox: TheSandbox, id: Name) -> None:  # noqa: A002 - as it stands in the path
    """Remove a rule."""
    if not await sandbox.failing.remove(id):
        raise Problem(404, f"There is no rule {id!r}.")


async def _put(sandbox: Sandbox, name: str, fields: RuleFields) -> RuleShown:
    try:
        rule = FailingRule(id=name, **{"stage": SessionStage.RCPT, **_chosen(fields)})
    except RuleInvalid as error:
        fault = Fault(error.field, "invalid_rule", str(error))
        raise Problem(422, str(error), faults=(fault,)) from None
    await sandbox.failing.put(rule)
    return _show(RuleState(rule, Tally()))


def _chosen(fields: RuleFields) -> dict[str, Any]:
    """Return the fields that were given, as a rule takes them."""
    chosen = fields.model_dump(exclude_unset=True)
    if "stage" in chosen:
        chosen["stage"] = SessionStage(chosen["stage"])
    if "disconnect" in chosen:
        chosen["disconnect"] = Break(chosen["disconnect"])
    return chosen


def _show(state: RuleState) -> RuleShown:
    plain = msgspec.to_builtins(state.rule)
    return RuleShown(
        **plain,
        matched=state.tally.matched,
        acted=state.tally.acted,
        is_spent=state.is_spent,
        is_temporary=state.is_temporary,
    )
