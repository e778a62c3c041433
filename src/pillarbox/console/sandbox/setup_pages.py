"""The setup pages: connecting a program, projects, and mail that was not caught."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from pillarbox.console.sandbox.answers import go_back
from pillarbox.console.sandbox.connection import connection_of
from pillarbox.console.sandbox.desk import Desk
from pillarbox.console.sandbox.forms import Form, read_form
from pillarbox.console.sandbox.place import Place
from pillarbox.console.sandbox.session import SessionView, session_view
from pillarbox.console.sandbox.shell import make_shell
from pillarbox.errors import PermanentError
from pillarbox.inbox.values import DEFAULT_PROJECT, Cap, Counts
from pillarbox.sandbox.projects import Project

__all__ = ["router"]

_HOUR: float = 3600.0


@dataclass(frozen=True, slots=True)
class ProjectView:
    """A project with how full it is."""

    project: Project
    counts: Counts
    takes: tuple[str, ...]  # which mail, each in words

    @property
    def is_default(self) -> bool:
        """Whether it is the one that is always there."""
        return self.project.name == DEFAULT_PROJECT


def router(desk: Desk) -> APIRouter:
    """Return the routes of setting up."""
    router = APIRouter(include_in_schema=False)
    setup = _Setup(desk)
    router.get("/connect")(setup.connect)
    router.get("/projects")(setup.projects)
    router.post("/projects")(setup.put_project)
    router.post("/projects/remove")(setup.remove_project)
    return router


class _Setup:
    """Shows how to connect, and the projects."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sandbox = desk.sandbox
        self._pages = desk.pages

    async def connect(self, request: Request) -> Response:
        """How a program is pointed here, and why nothing may have arrived."""
        info = await self._sandbox.info()
        sessions: list[SessionView] = [
            session_view(transcript) for transcript in self._sandbox.sessions_without_mail()[:10]
        ]
        return self._pages.page(
            request,
            "sandbox/connect.html",
            shell=await make_shell(self._desk, Place(), "connect"),
            connection=connection_of(request, info),
            info=info,
            sessions=sessions,
        )

    async def projects(self, request: Request) -> Response:
        """All projects."""
        return await self._projects(request)

    async def put_project(self, request: Request) -> Response:
        """Make a project, or change one."""
        form = await read_form(request)
        try:
            await self._sandbox.put_project(_project(form))
        except PermanentError as error:
            return await self._projects(request, problem=str(error), form=form)
        return go_back(request, "/projects")

    async def remove_project(self, request: Request) -> Response:
        """Remove a project with its mail."""
        form = await read_form(request)
        try:
            await self._sandbox.remove_project(form.text("name"))
        except PermanentError as error:
            return await self._projects(request, problem=str(error))
        return go_back(request, "/projects")

    async def _projects(
        self, request: Request, *, problem: str = "", form: Form | None = None
    ) -> Response:
        views = [
            ProjectView(project, await self._sandbox.inbox.counts(project.name), _takes(project))
            for project in self._sandbox.projects.all()
        ]
        edited = self._sandbox.projects.get(request.query_params.get("edit", ""))
        return self._pages.page(
            request,
            "sandbox/projects.html",
            status=422 if problem else 200,
            shell=await make_shell(self._desk, Place(), "projects"),
            projects=views,
            problem=problem,
            form=form or (_form_of(edited) if edited else Form([])),
            is_edit=edited is not None,
        )


def _project(form: Form) -> Project:
    return Project(
        name=form.text("name"),
        title=form.text("title"),
        users=form.words("users"),
        tag=form.text("tag"),
        recipient_domains=form.words("recipient_domains"),
        sender_domains=form.words("sender_domains"),
        cap=Cap(
            max_messages=int(form.number("max_messages")),
            max_age=form.number("max_hours") * _HOUR,
        ),
        webhook=form.text("webhook"),
    )


def _form_of(project: Project) -> Form:
    cap = project.cap
    return Form(
        [
            ("name", project.name),
            ("title", project.title),
            ("users", ", ".join(project.users)),
            ("tag", project.tag),
            ("recipient_domains", ", ".join(project.recipient_domains)),
            ("sender_domains", ", ".join(project.sender_domains)),
            ("max_messages", str(cap.max_messages or "")),
            ("max_hours", f"{cap.max_age / _HOUR:g}" if cap.max_age else ""),
            ("webhook", project.webhook),
        ]
    )


def _takes(project: Project) -> tuple[str, ...]:
    if project.name == DEFAULT_PROJECT:
        return ("mail that no other project takes",)
    said = [f"mail to …+{project.tag or project.name}@ any domain"]
    said += [f"mail of the user {user}" for user in project.users]
    said += [f"mail to {_domain(domain)}" for domain in project.recipient_domains]
    said += [f"mail from {_domain(domain)}" for domain in project.sender_domains]
    return tuple(said)


def _domain(domain: str) -> str:
    return f"all below {domain[1:]}" if domain.startswith(".") else domain
