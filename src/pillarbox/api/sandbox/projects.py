"""Native API: projects, which are isolated inboxes."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path
from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field

from pillarbox.api.sandbox.problems import problems
from pillarbox.api.serving import TheSandbox
from pillarbox.inbox.values import Cap
from pillarbox.sandbox.projects import Project
from pillarbox.sandbox.service import Sandbox
from pillarbox.web.problems import Problem
from pillarbox.web.routing import Router

__all__ = ["router"]

router = Router(prefix="/projects", tags=["Projects"], responses=problems(_404="No such project."))

Name = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", examples=["shop"])]
_Domains = Annotated[list[str], Field(max_length=1_000)]


class CapShown(BaseModel):
    """How full it may become; the oldest mail goes first. 0: no bound."""

    model_config = ConfigDict(extra="forbid")

    messages: int = Field(0, ge=0)
    octets: int = Field(0, ge=0)
    age: float = Field(0, ge=0, description="Seconds.")


class ProjectSettings(BaseModel):
    """What mail a project takes, and how much of it."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"users": ["shop"], "cap": {"messages": 1000}}]},
    )

    title: str = Field("", max_length=200)
    users: list[str] = Field([], max_length=1_000, description="Users whose mail comes here.")
    password: str | None = Field(
        None, description="That they give. Null: as it is.", max_length=1_000
    )
    tag: str = Field("", max_length=63, description="Behind `+` in a recipient; else the name.")
    recipient_domains: _Domains = []
    sender_domains: _Domains = []
    cap: CapShown = CapShown(messages=0, octets=0, age=0)
    webhook: str = Field("", max_length=2_000, description="URL that is called for new mail.")
    webhook_secret: str | None = Field(None, description="Null: as it is.", max_length=1_000)


class ProjectShown(BaseModel):
    """A project. Secrets are not shown."""

    name: str
    title: str
    users: list[str]
    has_password: bool
    tag: str
    recipient_domains: list[str]
    sender_domains: list[str]
    cap: CapShown
    webhook: str
    has_webhook_secret: bool
    is_configured: bool = Field(description="It is defined in the configuration; change it there.")
    messages: int
    unread: int


@router.get("", summary="List projects")
async def list_projects(sandbox: TheSandbox) -> list[ProjectShown]:
    """Return all projects, the default one first."""
    return [await _show(sandbox, project) for project in sandbox.projects.all()]


@router.get("/{name}", summary="Read a project")
async def read_project(sandbox: TheSandbox, name: Name) -> ProjectShown:
    """Return one project."""
    return await _show(sandbox, _find(sandbox, name))


@router.put("/{name}", summary="Create or change a project")
async def put_project(sandbox: TheSandbox, name: Name, settings: ProjectSettings) -> ProjectShown:
    """Make a project, or give one other settings."""
    known = sandbox.projects.get(name) or Project(name=name)
    project = replace(
        known,
        title=settings.title,
        users=tuple(settings.users),
        password=known.password if settings.password is None else settings.password,
        tag=settings.tag,
        recipient_domains=tuple(settings.recipient_domains),
        sender_domains=tuple(settings.sender_domains),
        cap=Cap(
            max_messages=settings.cap.messages,
            max_octets=settings.cap.octets,
            max_age=settings.cap.age,
        ),
        webhook=settings.webhook,
        webhook_secret=known.webhook_secret
        if settings.webhook_secret is None
        else settings.webhook_secret,
    )
    await sandbox.put_project(project)
    return await _show(sandbox, project)


@router.delete("/{name}", summary="Remove a project", status_code=204)
async def remove_project(sandbox: TheSandbox, name: Name) -> None:
    """Remove a project. Its mail stays until it is removed."""
    _find(sandbox, name)
    await sandbox.remove_project(name)


def _find(sandbox: Sandbox, name: str) -> Project:
    project = sandbox.projects.get(name)
    if project is None:
        raise Problem(404, f"There is no project {name!r}.")
    return project


async def _show(sandbox: Sandbox, project: Project) -> ProjectShown:
    counts = await sandbox.inbox.counts(project.name)
    return ProjectShown(
        name=project.name,
        title=project.title,
        users=list(project.users),
        has_password=bool(project.password),
        tag=project.tag or project.name,
        recipient_domains=list(project.recipient_domains),
        sender_domains=list(project.sender_domains),
        cap=CapShown(
            messages=project.cap.max_messages,
            octets=project.cap.max_octets,
            age=project.cap.max_age,
        ),
        webhook=project.webhook,
        has_webhook_secret=bool(project.webhook_secret),
        is_configured=project.is_configured,
        messages=counts.total,
        unread=counts.unread,
    )
