"""The Dockerfile and the compose files: what they name is there, and nothing in them needs root."""

from __future__ import annotations

import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pillarbox.cli.main import cli
from pillarbox.config.loader import load
from pillarbox.config.mailpit import with_mailpit_names

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = sorted(DEPLOY.glob("compose*.yaml"))
HARMLESS = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.1"}


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile."""

    name: str
    words: tuple[str, ...]
    stage: int


def instructions() -> list[Instruction]:
    """Read the Dockerfile: continued lines are joined, remarks are left out."""
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    found = []
    stage = -1
    for line in re.sub(r"\\\n", " ", text).splitlines():
        name, _, rest = line.strip().partition(" ")
        if not name:
            continue
        stage += name == "FROM"
        words = json.loads(rest) if rest.startswith("[") else shlex.split(rest)
        found.append(Instruction(name, tuple(words), stage))
    return found


def of(name: str) -> list[Instruction]:
    return [each for each in instructions() if each.name == name]


def environment() -> dict[str, str]:
    return dict(word.split("=", 1) for each in of("ENV") if each.stage for word in each.words)


def is_sent(path: Path) -> bool:
    """Say whether .dockerignore lets a file go to the builder; the last line that fits decides."""
    name = path.relative_to(ROOT).as_posix()
    above = [name, *(str(parent) for parent in Path(name).parents)]
    sent = True
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip().removeprefix("!")
        if not pattern or pattern.startswith("#"):
            continue
        plain = pattern.removeprefix("**/")
        names = [Path(each).name for each in above] if plain != pattern else above
        if any(fnmatch.fnmatch(each, plain) for each in names):
            sent = line.startswith("!")
    return sent


def copied() -> dict[str, Path]:
    """Return what the builder copies into the first stage, by the name that it has there."""
    found: dict[str, Path] = {}
    for each in of("COPY"):
        *sources, target = each.words
        if not sources[0].startswith("--from"):
            for source in sources:
                is_folder = (ROOT / source).is_dir()
                is_whole = is_folder or not target.endswith("/")
                found[target if is_whole else f"{target}/{Path(source).name}"] = ROOT / source
    return found


def test_what_is_copied_is_there_and_sent() -> None:
    """Each source of a COPY exists, and .dockerignore does not hold it back."""
    assert copied()
    for source in copied().values():
        assert source.exists(), source
        files = [source] if source.is_file() else [*source.rglob("*.py"), *source.rglob("*.sql")]
        assert all(map(is_sent, files))
    assert not is_sent(ROOT / "tests" / "conftest.py")
    assert not is_sent(ROOT / ".git" / "config")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Return the names in the wheel that the builder would make of what is copied."""
    folder = tmp_path_factory.mktemp("build")
    for target, source in copied().items():
        if target.startswith("/"):  # of the second stage
            continue
        place = folder / target
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, place)
    builder = "import sys, hatchling.build as b; print(b.build_wheel(sys.argv[1]))"
    made = subprocess.run(
        [sys.executable, "-c", builder, str(folder)],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    with zipfile.ZipFile(folder / made.stdout.split()[-1]) as archive:
        return set(archive.namelist())


def test_the_image_holds_the_whole_package(wheel: set[str]) -> None:
    """What is in the source tree, pages and statements too, is in what is installed."""
    package = ROOT / "src"
    files = {
        path.relative_to(package).as_posix()
        for path in (package / "pillarbox").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert not files - wheel
    assert any(name.endswith(".sql") for name in wheel)


def test_the_entry_point_is_a_script_of_the_package(wheel: set[str]) -> None:
    """ENTRYPOINT, CMD and HEALTHCHECK name programs and commands that there are."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    (entry,) = of("ENTRYPOINT")
    (command,) = of("CMD")
    (health,) = of("HEALTHCHECK")
    assert entry.words == ("pillarbox",)
    assert "pillarbox" in scripts
    assert scripts["pillarbox"].partition(":")[0].replace(".", "/") + ".py" in wheel
    check = json.loads(
        " ".join(health.words)
        .partition("CMD ")[2]
        .replace("[", '["')
        .replace("]", '"]')
        .replace(", ", '","')
    )
    assert check[0] == "pillarbox"
    for name in (command.words[0], check[1]):
        assert name in cli.list_commands(None)  # type: ignore[arg-type]


def test_the_second_stage_takes_what_the_first_has_made() -> None:
    """The folder that is taken over was made there, and PATH leads into it."""
    (taken,) = [each for each in of("COPY") if each.words[0].startswith("--from")]
    stage, source, target = taken.words
    assert stage == "--from=build"
    assert of("FROM")[0].words[-1] == "build"
    assert source == target
    assert any(f"venv {source}" in " ".join(each.words) for each in of("RUN") if each.stage == 0)
    assert environment()["PATH"].startswith(f"{source}/bin:")
    # An environment does not move: both stages must have the same Python.
    assert of("FROM")[0].words[0] == of("FROM")[1].words[0]


def test_the_image_runs_without_rights_and_writes_to_data_only() -> None:
    """The user is a number and not root; /data is its own, a volume, and where it works."""
    (user,) = of("USER")
    number = user.words[0].partition(":")[0]
    assert number.isdigit()
    assert int(number) > 0
    made = " ".join(word for each in of("RUN") if each.stage for word in each.words)
    assert f"--uid {number}" in made
    assert "--owner pillarbox" in made
    assert made.index("useradd") < made.index("install --directory")
    assert [each.words[0] for each in (*of("VOLUME"), *of("WORKDIR")[1:])] == ["/data", "/data"]
    assert environment()["HOME"] == "/data"


def test_every_package_is_pinned_as_in_the_lock_of_the_project() -> None:
    """The image's locks are parts of requirements.lock, with its hashes."""
    whole = set((ROOT / "requirements.lock").read_text("utf-8").splitlines())
    for name in ("run.lock", "build.lock"):
        lines = (DEPLOY / "docker" / name).read_text("utf-8").splitlines()
        assert lines
        assert not set(lines) - whole, f"run `make lock`: {name} is not up to date"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = re.findall(r"(?m)^([a-z0-9-]+)==", (DEPLOY / "docker" / "run.lock").read_text("utf-8"))
    wanted = {re.split(r"[>=<\[ ]", each)[0].lower() for each in project["dependencies"]}
    assert wanted <= set(pinned)


def test_the_sandbox_of_the_image_reaches_beyond_loopback() -> None:
    """The image's own file is found where it is put, and its ports are exposed; Mailpit's names win."""
    place = {str(source): target for target, source in copied().items()}
    file = DEPLOY / "docker" / "sandbox.toml"
    assert place[str(file)] == "/etc/pillarbox/pillarbox.toml"
    environ = {"HOME": "/nonexistent", **environment()}
    loaded = load(file, environ)
    exposed = {word for each in of("EXPOSE") for word in each.words}
    sandbox = loaded.settings.sandbox
    for bind in (*sandbox.smtp, *sandbox.http, *sandbox.pop3):
        host, _, port = bind.rpartition(":")
        assert host == "0.0.0.0"
        assert port in exposed
    settings, _ = with_mailpit_names(loaded, {**environ, "MP_SMTP_BIND_ADDR": "0.0.0.0:2500"})
    assert settings.sandbox.smtp == ("0.0.0.0:2500",)


def services() -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (file.name, name, service)
        for file in COMPOSE
        for name, service in yaml.safe_load(file.read_text("utf-8"))["services"].items()
    ]


SERVICES = services()
IDS = [f"{file}:{name}" for file, name, _ in SERVICES]


@pytest.mark.parametrize(("file", "name", "service"), SERVICES, ids=IDS)
def test_each_service_runs_closed(file: str, name: str, service: dict[str, Any]) -> None:
    """Read-only, without capabilities or new rights, on files that are there."""
    del name
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert service["command"][0] in cli.list_commands(None)  # type: ignore[arg-type]
    if build := service.get("build"):
        context = (DEPLOY / build["context"]).resolve()
        assert context == ROOT
        assert (context / build["dockerfile"]).is_file()
    volumes = yaml.safe_load((DEPLOY / file).read_text("utf-8")).get("volumes", {})
    for volume in service.get("volumes", ()):
        source, target, *_ = volume.split(":")
        assert (DEPLOY / source).exists() if source.startswith(".") else source in volumes
        assert target == "/data" or target.startswith("/etc/pillarbox/")


@pytest.mark.parametrize(("file", "name", "service"), SERVICES, ids=IDS)
def test_the_configuration_of_each_service_is_one(
    file: str, name: str, service: dict[str, Any], tmp_path: Path
) -> None:
    """The mounted file and the environment are read without a finding; secrets are where they are."""
    del name
    environ = {"HOME": "/nonexistent", **environment(), **service.get("environment", {})}
    mounts = dict(each.split(":")[1::-1] for each in service.get("volumes", ()))
    if config := environ.pop("PILLARBOX_CONFIG", ""):
        text = (DEPLOY / mounts[config]).read_text("utf-8")
        for secret in yaml.safe_load((DEPLOY / file).read_text("utf-8")).get("secrets", {}):
            (tmp_path / secret).write_text("secret")
            (tmp_path / secret).chmod(0o600)
        copy = tmp_path / "pillarbox.toml"
        copy.write_text(text.replace("/run/secrets", str(tmp_path)))
        loaded = load(copy, environ)
        for listener in loaded.settings.listener.values():
            assert all(bind.startswith("0.0.0.0:") for bind in listener.bind)
            assert set(listener.trusted_networks) <= HARMLESS
        assert str(loaded.settings.node.directory) == "/data"
    else:
        load(None, environ)


@pytest.mark.parametrize(("file", "name", "service"), SERVICES, ids=IDS)
def test_ports_lead_to_listeners(file: str, name: str, service: dict[str, Any]) -> None:
    """Each published port is exposed by the image, or by the service; a test's ports are local."""
    del name
    exposed = {word for each in of("EXPOSE") for word in each.words} | {"80"}
    for port in map(str, (*service.get("ports", ()), *service.get("expose", ()))):
        assert port.rpartition(":")[2] in exposed
        if file == "compose.yaml":
            assert port.startswith("127.0.0.1:")
