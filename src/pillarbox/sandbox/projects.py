"""Projects: isolated inboxes, and which of them a message belongs to.

The first that matches decides: the login; the ``+tag`` of a recipient; the domain of a recipient;
the domain of the sender; otherwise the default project. Recipients are tried in the order of the
envelope, so that each message is in exactly one project.

Configured projects exist from the start and cannot be changed; others are created at run time and
stored in the inbox's settings.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from pillarbox.config.settings.sandbox import SandboxProjectSettings
from pillarbox.errors import PermanentError
from pillarbox.inbox.values import DEFAULT_PROJECT, Cap
from pillarbox.net.guarded import AddressRefused, read_target
from pillarbox.sandbox.webhook_signature import SecretMalformed, read_secret

__all__ = ["Project", "ProjectRejected", "Projects", "SettingStore", "configured_projects"]

_KIND: Final = "project"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_DOMAIN: Final = re.compile(r"\.?[^\s.@:,]+(?:\.[^\s.@:,]+)*")
_MOST_PROJECTS: Final = 500
_ANY_PORT: Final = range(1, 65_536)
_MOST_CAP: Final = 10**15  # messages, octets or seconds
_MOST_ENTRIES: Final = 1_000  # users or domains of one project


class ProjectRejected(PermanentError):  # noqa: N818 - reads as what it says
    """A project cannot be as requested."""

    def __init__(self, field: str, sentence: str) -> None:
        """Say which field is wrong, and why."""
        super().__init__(sentence)
        self.field = field


class Project(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One isolated inbox."""

    name: str
    title: str = ""  # for people; "" shows the name
    users: tuple[str, ...] = ()  # user names whose mail comes here
    password: str = ""  # that these users have to give; "": any
    tag: str = ""  # the part behind + in a recipient; "": the name
    recipient_domains: tuple[str, ...] = ()  # "example.com", and with a dot in front all below
    sender_domains: tuple[str, ...] = ()
    cap: Cap = Cap()
    webhook: str = ""  # URL that is told of new mail
    webhook_secret: str = ""
    is_configured: bool = False  # it stands in the configuration, and is changed there


class SettingStore(Protocol):
    """Where small values are kept; ``inbox.port.Inbox`` is one."""

    async def settings(self, kind: str) -> dict[str, bytes]:
        """Return small values by name."""
        ...

    async def put_setting(self, kind: str, name: str, value: bytes | None) -> None:
        """Write one; with None remove it."""
        ...


class _Routing:
    """The routing of mail to projects: immutable tables, so that any thread may look."""

    __slots__ = ("_recipients", "_senders", "_tags", "_users", "is_trivial", "passwords")

    def __init__(self, projects: Iterable[Project]) -> None:
        self._users: dict[str, str] = {}
        self._tags: dict[str, str] = {}
        self._recipients: dict[str, str] = {}
        self._senders: dict[str, str] = {}
        self.passwords: dict[str, str] = {}
        for project in projects:
            name = project.name
            if name != DEFAULT_PROJECT or project.tag:
                self._tags.setdefault((project.tag or name).lower(), name)
            for user in project.users:
                self._users.setdefault(user.lower(), name)
                if project.password:
                    self.passwords.setdefault(user.lower(), project.password)
            for domain in project.recipient_domains:
                self._recipients.setdefault(domain.lower(), name)
            for domain in project.sender_domains:
                self._senders.setdefault(domain.lower(), name)
        self.is_trivial = not (self._users or self._tags or self._recipients or self._senders)

    def choose(self, identity: str, sender: str, recipients: Sequence[str]) -> str:
        return (
            (self._users.get(identity.lower()) if identity else None)
            or self._by_tag(recipients)
            or self._by_recipient(recipients)
            or _by_domain(self._senders, sender)
            or DEFAULT_PROJECT
        )

    def _by_tag(self, recipients: Sequence[str]) -> str | None:
        for recipient in recipients:
            _, plus, tag = recipient.rpartition("@")[0].partition("+")
            if plus and (found := self._tags.get(tag.lower())) is not None:
                return found
        return None

    def _by_recipient(self, recipients: Sequence[str]) -> str | None:
        for recipient in recipients if self._recipients else ():
            found = _by_domain(self._recipients, recipient)
            if found is not None:
                return found
        return None


def _by_domain(table: Mapping[str, str], address: str) -> str | None:
    """Return the entry for an address's domain, or for the nearest one above it."""
    if not table:
        return None
    domain = address.rpartition("@")[2].lower().rstrip(".")
    found = table.get(domain)
    while found is None and domain:
        _, _, domain = domain.partition(".")
        found = table.get(f".{domain}")
    return found


class Projects:
    """All projects."""

    def __init__(self, configured: Iterable[Project] = ()) -> None:
        """Begin with those of the configuration; the default project is always there.

        Raises:
            ProjectRejected: Two of them ask for the same.
        """
        self._projects = {DEFAULT_PROJECT: Project(name=DEFAULT_PROJECT)}
        for project in configured:
            self._refuse_clashes(project)
            self._projects[project.name] = project
        self._listeners: list[Callable[[], None]] = []
        self.generation = 0
        """Counts changes, for those who remember something about projects."""
        self._use()

    def all(self) -> tuple[Project, ...]:
        """Return all projects, the default one first."""
        return tuple(self._projects.values())

    def get(self, name: str) -> Project | None:
        """Return one."""
        return self._projects.get(name)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have ``listener`` called after each change."""
        self._listeners.append(listener)

    def choose(self, identity: str, sender: str, recipients: Sequence[str]) -> str:
        """Return the name of the project that a message belongs to. Any thread may ask.

        Args:
            identity: The login, "" for none.
            sender: The reverse-path, "" for the null one.
            recipients: The envelope's, in order.
        """
        routing = self._routing
        if routing.is_trivial:
            return DEFAULT_PROJECT
        return routing.choose(identity, sender, recipients)

    def password_of(self, user: str) -> str | None:
        """Return the password that a user of a project must give; None: it has none."""
        return self._routing.passwords.get(user.lower())

    @property
    def caps(self) -> dict[str, Cap]:
        """The caps of projects that have one."""
        return {each.name: each.cap for each in self._projects.values() if each.cap != Cap()}

    def configure(self, configured: Iterable[Project]) -> None:
        """Take those of another configuration; what was made at run time stays."""
        made = [each for each in self._projects.values() if not each.is_configured]
        self._projects = {DEFAULT_PROJECT: Project(name=DEFAULT_PROJECT)}
        self._projects |= {project.name: project for project in configured}
        for project in made:
            known = self._projects.get(project.name)
            if known is None or not known.is_configured:
                self._projects[project.name] = project
        self._use()

    # --- at run time -----------------------------------------------------------------

    async def load(self, store: SettingStore) -> None:
        """Load the projects made at run time; the configuration wins where both have the name."""
        for name, value in (await store.settings(_KIND)).items():
            configured = self._projects.get(name)
            if configured is not None and configured.is_configured:
                continue
            try:
                project = msgspec.json.decode(value, type=Project)
                check(project)
            except (msgspec.MsgspecError, ProjectRejected):  # of another version
                continue
            self._projects[name] = project
        self._use()

    async def put(self, project: Project, store: SettingStore) -> None:
        """Make a project, or change one.

        Raises:
            ProjectRejected: It cannot be like that, or it stands in the configuration.
        """
        project = msgspec.structs.replace(project, is_configured=False)
        self._refuse_configured(project.name)
        check(project)
        if project.name not in self._projects and len(self._projects) >= _MOST_PROJECTS:
            raise ProjectRejected("name", f"There are {_MOST_PROJECTS} projects already.")
        self._refuse_clashes(project)
        await store.put_setting(_KIND, project.name, msgspec.json.encode(project))
        self._projects[project.name] = project
        self._use()

    async def remove(self, name: str, store: SettingStore) -> None:
        """Remove a project.

        Raises:
            ProjectRejected: It is the default one, or it stands in the configuration.
        """
        if name == DEFAULT_PROJECT:
            raise ProjectRejected("name", f'The project "{name}" is always there.')
        if name not in self._projects:
            raise ProjectRejected("name", f'There is no project "{name}".')
        self._refuse_configured(name)
        await store.put_setting(_KIND, name, None)
        del self._projects[name]
        self._use()

    def _refuse_configured(self, name: str) -> None:
        known = self._projects.get(name)
        if known is not None and known.is_configured:
            raise ProjectRejected(
                "name", f'The project "{name}" is defined in the configuration; change it there.'
            )

    def _refuse_clashes(self, project: Project) -> None:
        """Refuse what another project asks for already: which of them gets it must be clear."""
        for other in self._projects.values():
            if other.name == project.name:
                continue
            for field, mine, theirs in (
                ("users", project.users, other.users),
                ("recipient_domains", project.recipient_domains, other.recipient_domains),
                ("sender_domains", project.sender_domains, other.sender_domains),
                ("tag", (project.tag or project.name,), (other.tag or other.name,)),
            ):
                both = {each.lower() for each in mine} & {each.lower() for each in theirs}
                if both:
                    raise ProjectRejected(
                        field, f'{min(both)!r} belongs to the project "{other.name}" already.'
                    )

    def _use(self) -> None:
        self._routing = _Routing(self._projects.values())
        self.generation += 1
        for listener in self._listeners:
            listener()


def check(project: Project) -> None:
    """Refuse a project that cannot be.

    Raises:
        ProjectRejected: With the field that is wrong.
    """
    if not _NAME.fullmatch(project.name):
        raise ProjectRejected(
            "name",
            "A name has up to 63 lowercase letters, digits and hyphens, and does not "
            "start with a hyphen.",
        )
    if "@" in project.tag or "+" in project.tag:
        raise ProjectRejected("tag", "A tag is the part between + and @, without those characters.")
    if not all(project.users):
        raise ProjectRejected("users", "A user name is empty.")
    if project.password and not project.users:
        raise ProjectRejected("users", "A password needs users to go with it.")
    for field in ("users", "recipient_domains", "sender_domains"):
        if len(getattr(project, field)) > _MOST_ENTRIES:
            raise ProjectRejected(field, f"There are more than {_MOST_ENTRIES} entries.")
    for field in ("recipient_domains", "sender_domains"):
        _check_domains(field, getattr(project, field))
    _check_cap(project.cap)
    _check_webhook(project)


def _check_domains(field: str, domains: Iterable[str]) -> None:
    for domain in domains:
        if not _DOMAIN.fullmatch(domain):
            raise ProjectRejected(
                field, f'{domain!r} is not a domain: write "example.com" or ".example.com".'
            )


def _check_cap(cap: Cap) -> None:
    for number in (cap.max_messages, cap.max_octets, cap.max_age):
        if not 0 <= number <= _MOST_CAP:  # neither is what is no number at all
            raise ProjectRejected("cap", f"A cap must be from 0 to {_MOST_CAP:,}; 0 means no cap.")


def _check_webhook(project: Project) -> None:
    if project.webhook:
        try:
            read_target(project.webhook, _ANY_PORT, may_be_inside=True)
        except AddressRefused as error:
            sentence = f"A webhook must be a URL that begins with http:// or https://: {error}."
            raise ProjectRejected("webhook", sentence) from error
    if project.webhook_secret:
        try:
            read_secret(project.webhook_secret)
        except SecretMalformed as error:
            raise ProjectRejected("webhook_secret", str(error)) from error


def configured_projects(settings: Mapping[str, SandboxProjectSettings]) -> tuple[Project, ...]:
    """Return the projects of the configuration.

    Raises:
        ProjectRejected: One cannot be like that.
    """
    projects = []
    for name, each in settings.items():
        project = Project(
            name=name,
            title=each.title,
            users=each.users,
            password=each.password,
            tag=each.tag,
            recipient_domains=each.recipient_domains,
            sender_domains=each.sender_domains,
            cap=Cap(max_messages=each.max_messages, max_age=each.max_age),
            webhook=each.webhook,
            webhook_secret=each.webhook_secret,
            is_configured=True,
        )
        try:
            check(project)
        except ProjectRejected as error:
            raise ProjectRejected(error.field, f"sandbox_project.{name}: {error}") from error
        projects.append(project)
    return tuple(projects)
