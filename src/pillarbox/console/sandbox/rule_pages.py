"""The page of failures on purpose: addresses that fail by name, and rules."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pillarbox.console.sandbox.answers import go_back
from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.forms import Form, read_form
from pillarbox.console.sandbox.place import Place
from pillarbox.console.sandbox.shell import make_shell
from pillarbox.errors import PermanentError
from pillarbox.policy.behavior import BEHAVIORS, Break, SessionStage
from pillarbox.policy.failing import FailingRule
from pillarbox.sandbox.failing import read_rule

__all__ = ["router"]

_STAGES: Final = {
    SessionStage.CONNECT: "Connect: instead of the greeting",
    SessionStage.HELO: "EHLO",
    SessionStage.STARTTLS: "STARTTLS",
    SessionStage.AUTH: "AUTH: at the login",
    SessionStage.MAIL: "MAIL FROM: the sender",
    SessionStage.RCPT: "RCPT TO: each recipient",
    SessionStage.DATA: "DATA",
    SessionStage.DOT: "After the content",
}
_ENDINGS: Final = {
    Break.NONE: "stays open",
    Break.CLOSE: "is closed",
    Break.RESET: "is reset without a reply",
}
_TEXTS: Final = ("project", "recipient", "sender", "client", "enhanced", "text", "rate", "note")
_WHOLE: Final = ("code", "count", "every", "seed")


def router(desk: Desk) -> APIRouter:
    """Return the routes of failing on purpose."""
    router = APIRouter(include_in_schema=False)
    failing = _FailingPages(desk)
    router.get("/rules")(failing.page)
    router.post("/rules")(failing.put)
    router.post("/rules/remove")(failing.remove)
    router.post("/rules/addresses")(failing.addresses)
    return router


class _FailingPages:
    """Shows the rules, and changes them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sandbox = desk.sandbox
        self._pages = desk.pages

    async def page(self, request: Request) -> Response:
        """Addresses that fail, the rules, and a form for one more."""
        return await self._page(request)

    async def put(self, request: Request) -> Response:
        """Make a rule, or change one."""
        form = await read_form(request)
        failing = self._sandbox.failing
        try:
            rule = read_rule(_fields(form, form.text("id") or failing.new_name()))
            await failing.put(rule)
        except PermanentError as error:
            return await self._page(request, problem=str(error), form=form)
        return go_back(request, "/rules")

    async def remove(self, request: Request) -> Response:
        """Remove a rule."""
        form = await read_form(request)
        await self._sandbox.failing.remove(form.text("id"))
        return go_back(request, "/rules")

    async def addresses(self, request: Request) -> Response:
        """Let recipients' addresses ask for failures, or not."""
        form = await read_form(request)
        await self._sandbox.failing.let_addresses_ask(may=form.text("may") == "1")
        return go_back(request, "/rules")

    async def _page(
        self, request: Request, *, problem: str = "", form: Form | None = None
    ) -> Response:
        failing = self._sandbox.failing
        edited = failing.get(request.query_params.get("edit", ""))
        return self._pages.page(
            request,
            "sandbox/rules.html",
            status=422 if problem else 200,
            shell=await make_shell(self._desk, Place(), "rules"),
            states=[(state, _sentence(state.rule)) for state in failing.rules()],
            by_address=failing.by_address,
            behaviors=BEHAVIORS,
            stages=_STAGES,
            endings=_ENDINGS,
            problem=problem,
            form=form or (_form_of(edited.rule) if edited else Form([])),
            is_edit=edited is not None,
        )


def _fields(form: Form, name: str) -> dict[str, Any]:
    """Return a form as ``read_rule`` takes it."""
    fields: dict[str, Any] = {"id": name, "stage": form.text("stage", SessionStage.RCPT.value)}
    fields.update((key, form.text(key)) for key in _TEXTS if form.text(key))
    fields.update((key, int(form.number(key))) for key in _WHOLE if form.text(key))
    if form.text("delay"):
        fields["delay"] = form.number("delay")
    if form.text("percent"):
        fields["probability"] = form.number("percent") / 100
    if form.text("disconnect"):
        fields["disconnect"] = form.text("disconnect")
    if form.text("discards") == "1":
        fields["discards"] = True
    return fields


def _form_of(rule: FailingRule) -> Form:
    shown = {key: getattr(rule, key) for key in (*_TEXTS, *_WHOLE)}
    shown["count"] = rule.count or ""
    shown["code"] = rule.code or ""
    fields = [(key, str(value)) for key, value in shown.items() if value]
    fields += [
        ("id", rule.id),
        ("stage", rule.stage.value),
        ("disconnect", rule.disconnect.value),
        ("delay", f"{rule.delay:g}" if rule.delay else ""),
        ("percent", f"{rule.probability * 100:g}"),
        ("discards", "1" if rule.discards else ""),
    ]
    return Form(fields)


def _sentence(rule: FailingRule) -> str:
    """Say what a rule does, for whom and how often."""
    does = [f"waits {rule.delay:g} s"] if rule.delay else []
    does += [f"says {rule.code} {rule.enhanced} {rule.text}".rstrip()] if rule.code else []
    does += ["closes the connection"] if rule.disconnect is Break.CLOSE else []
    does += ["resets the connection"] if rule.disconnect is Break.RESET else []
    does += ["discards the message"] if rule.discards else []
    where = [f"of {rule.sender}"] if rule.sender else []
    where += [f"to {rule.recipient}"] if rule.recipient else []
    where += [f"in {rule.project}"] if rule.project else []
    where += [f"from {rule.client}"] if rule.client else []
    often = ["once" if rule.count == 1 else f"{rule.count} times"] if rule.count else []
    often += [f"one time in {rule.every}"] if rule.every > 1 else []
    often += [f"for what is over {rule.rate}"] if rule.rate else []
    often += [f"{rule.probability * 100:g} % of the time"] if rule.probability < 1 else []
    said = f"At {rule.stage.name}{' ' + ' '.join(where) if where else ''} it {' and '.join(does)}"
    return f"{said}, {', '.join(often)}." if often else f"{said}."
