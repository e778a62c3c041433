"""The loader: what it reads, where it says values came from, and every error with its message."""

from __future__ import annotations

from pathlib import Path

import pytest

from pillarbox.config.error import ConfigError
from pillarbox.config.loader import find_file, load
from pillarbox.config.settings import ListenerKind, RouteKind, TlsMode, UncertainPolicy
from pillarbox.findings import Finding


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pillarbox.toml"
    path.write_text(text)
    return path


def findings(path: Path, environ: dict[str, str] | None = None) -> tuple[Finding, ...]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return caught.value.findings


def test_types_units_and_tables_are_read(tmp_path: Path) -> None:
    """Every kind of value comes out as the type that its setting has."""
    path = written(
        tmp_path,
        """
        [node]
        directory = "/srv/mail"
        shutdown_grace = "1.5 min"
        [intake]
        max_message_size = "25 MB"
        [queue]
        lifetime = "5 d"
        first_retry = 300
        uncertain = "FINAL"
        [delivery]
        paused = true
        [listener.submission]
        kind = "submission"
        bind = ["127.0.0.1:2525", "[::1]:2525"]
        [domain."example.org"]
        recipients = ["ann"]
        [route.out]
        kind = "smarthost"
        tls = "implicit"
        """,
    )
    settings = load(path, {}).settings
    assert settings.node.directory == Path("/srv/mail")
    assert settings.node.shutdown_grace == 90.0
    assert settings.intake.max_message_size == 25_000_000
    assert isinstance(settings.intake.max_message_size, int)
    assert settings.queue.lifetime == 432_000.0
    assert settings.queue.first_retry == 300.0
    assert settings.queue.uncertain is UncertainPolicy.FINAL
    assert settings.delivery.paused is True
    assert settings.listener["submission"].kind is ListenerKind.SUBMISSION
    assert settings.listener["submission"].bind == ("127.0.0.1:2525", "[::1]:2525")
    assert settings.domain["example.org"].recipients == ("ann",)
    assert settings.route["out"].kind is RouteKind.SMART_HOST
    assert settings.route["out"].tls is TlsMode.IMPLICIT


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    """No key has to be given."""
    loaded = load(written(tmp_path, ""), {})
    assert loaded.settings.queue.max_retry == 14_400.0
    assert loaded.origins == {}


@pytest.mark.parametrize(
    ("text", "code", "what", "fix", "line"),
    [
        ("[nod]\nname='x'", "003", "nod is not a section", 'Did you mean "node"?', 1),
        ("[node]\n\nhostnam = 'x'", "004", "node.hostnam is not a key", '"hostname"?', 3),
        ("[node]\nzzz = 1", "004", "node.zzz is not a key", "Known here: name, ", 2),
        ("node = 3", "005", "node takes a section: [node], not 3", "", 1),
        ("[listener]\nx = 3", "005", "listener.x takes a table: [listener.NAME]", "", 2),
        ("[node]\nname = 3", "005", "node.name takes a text in quotes, not 3", "", 2),
        ("[node]\nshard = '1'", "005", "node.shard takes a whole number, such as 1, not", "", 2),
        ("[node]\nshard = 1.5", "005", "a whole number, such as 1, not 1.5", "", 2),
        ("[node]\nshard = true", "005", "a whole number, such as 1, not True", "", 2),
        ("[node]\nshard = -1", "005", "a whole number that is not negative, not -1", "", 2),
        ("[node]\ndirectory = 3", "005", "node.directory takes a path in quotes", "", 2),
        ("[node]\nname = 'a\\nb'", "", "", "", 0),
        ('[node]\nname = "a\\nb"', "005", "a text without line ends and control", "", 2),
        ("[delivery]\npaused = 'yes'", "005", "true or false, without quotes, not 'yes'", "", 2),
        ("[queue]\nlifetime = '5 days'", "005", 'a duration, such as 300, "5 min"', "", 2),
        ("[queue]\nlifetime = -5", "005", "a duration, such as 300", "", 2),
        ("[queue]\nlifetime = nan", "005", "a duration, such as 300", "", 2),
        ("[queue]\nlifetime = true", "005", "a duration, such as 300", "", 2),
        ("[intake]\nmax_message_size = '5 min'", "005", 'a size, such as 65536, "64 KiB"', "", 2),
        ("[queue]\nuncertain = 'retri'", "005", 'one of "retry", "final"', '"retry"?', 2),
        (
            "[listener.a]\nkind='mx'\nbind='x'",
            "005",
            "listener.a.bind takes a list of texts",
            "",
            3,
        ),
        (
            "[listener.a]\nkind='mx'\nbind=[1]",
            "005",
            "listener.a.bind takes a list of texts",
            "",
            3,
        ),
        ("\n[listener.a]\nkind = 'mx'", "006", "listener.a.bind is missing", "Addresses with", 2),
        ("[route.'a b']\nkind='mx'", "009", "'a b' cannot be the name of a route", "letters", 1),
        ("[node]\nname = 'a'\nname = 'b'", "002", "is not TOML", "only once", None),
        ("[node", "002", "is not TOML", "quotes", None),
    ],
)
def test_each_mistake_is_named_with_its_place_and_remedy(
    tmp_path: Path, text: str, code: str, what: str, fix: str, line: int | None
) -> None:
    """A wrong configuration says which key on which line, what it takes, and what was meant."""
    path = written(tmp_path, text)
    if not code:  # a literal text in TOML: the backslash is a backslash
        assert load(path, {}).settings.node.name == "a\\nb"
        return
    (finding,) = findings(path)
    assert finding.code == f"PB-CONFIG-{code}"
    assert what in finding.what
    assert fix in finding.fix or fix in finding.what
    if line is not None:
        assert finding.evidence == (f"{path}:{line}",)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Nobody has to run the check once for every mistake."""
    path = written(tmp_path, "[nod]\n[node]\nshard = 'x'\n[queue]\nlifetim = 3\n")
    assert [finding.code[-3:] for finding in findings(path)] == ["003", "005", "004"]


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """A file that was asked for and cannot be read is not passed over."""
    (finding,) = findings(tmp_path / "none.toml")
    assert finding.code == "PB-CONFIG-001"
    assert "No such file" in finding.what


def test_octets_that_are_no_text_are_an_error(tmp_path: Path) -> None:
    """A binary file is not TOML."""
    path = tmp_path / "pillarbox.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert findings(path)[0].code == "PB-CONFIG-002"


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    """Variables reach plain sections, named tables, and domains by their flattened name."""
    path = written(
        tmp_path,
        "[node]\nname = 'a'\n[listener.in]\nkind = 'mx'\nbind = ['127.0.0.1:1']\n"
        "[domain.'example.org']\nroute = 'x'\n",
    )
    loaded = load(
        path,
        {
            "PILLARBOX_NODE__NAME": "b",
            "PILLARBOX_LISTENER__IN__BIND": "127.0.0.1:2, 127.0.0.1:3",
            "PILLARBOX_DOMAIN__EXAMPLE_ORG__ROUTE": "y",
            "PILLARBOX_DELIVERY__PAUSED": "yes",
            "PILLARBOX_QUEUE__LIFETIME": "3 d",
            "PILLARBOX_ROUTE__NEW__KIND": "discard",
        },
    )
    settings = loaded.settings
    assert settings.node.name == "b"
    assert settings.listener["in"].bind == ("127.0.0.1:2", "127.0.0.1:3")
    assert settings.domain["example.org"].route == "y"
    assert settings.delivery.paused is True
    assert settings.queue.lifetime == 259_200.0
    assert settings.route["new"].kind is RouteKind.DISCARD
    assert loaded.origin(("node", "name")) == "$PILLARBOX_NODE__NAME"
    assert loaded.origin(("listener", "in", "kind")) == f"{path}:4"
    assert loaded.origin(("queue", "max_retry")) == "default"


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    """Kubernetes sets PILLARBOX_PORT for a service of that name; it is no setting."""
    load(written(tmp_path, ""), {"PILLARBOX_PORT": "tcp://10.0.0.1:25", "PILLARBOX_SENDMAIL": "x"})


@pytest.mark.parametrize(
    ("name", "text", "code", "part"),
    [
        ("PILLARBOX_NOD__NAME", "x", "008", 'Did you mean "node"?'),
        ("PILLARBOX_NODE__NAMES", "x", "008", 'Did you mean "name"?'),
        ("PILLARBOX_NODE__A__NAME", "x", "008", "PILLARBOX_NODE__KEY"),
        ("PILLARBOX_LISTENER__BIND", "x", "008", "PILLARBOX_LISTENER__NAME__KEY"),
        ("PILLARBOX_NODE__SHARD", "x", "005", "takes a whole number"),
        ("PILLARBOX_NODE__SHARD", "²", "005", "takes a whole number"),
        ("PILLARBOX_DELIVERY__PAUSED", "maybe", "005", "takes true or false"),
        ("PILLARBOX_STORE__URL_FILE", "/nonexistent", "007", "No such file"),
    ],
)
def test_wrong_variables_are_errors(
    tmp_path: Path, name: str, text: str, code: str, part: str
) -> None:
    """A variable that means nothing, or has a wrong value, is named."""
    (finding,) = findings(written(tmp_path, ""), {name: text})
    assert finding.code == f"PB-CONFIG-{code}"
    assert part in finding.what + finding.fix


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """A secret's file is read without its last line end, from the file and the environment."""
    secret = tmp_path / "secret"
    secret.write_text(" pass word \n")
    path = written(tmp_path, f"[route.out]\nkind = 'smarthost'\npassword_file = '{secret}'\n")
    loaded = load(path, {})
    assert loaded.settings.route["out"].password == " pass word "
    assert loaded.secret_files == {("route", "out", "password"): secret}
    loaded = load(path, {"PILLARBOX_STORE__URL_FILE": str(secret)})
    assert loaded.settings.store.url == " pass word "


def test_a_key_that_ends_in_file_is_itself(tmp_path: Path) -> None:
    """ZONE_FILE is the key zone_file, and not the file of a key zone."""
    loaded = load(written(tmp_path, ""), {"PILLARBOX_DNS__ZONE_FILE": "/x"})
    assert loaded.settings.dns.zone_file == Path("/x")


def test_a_wrong_secret_is_never_quoted(tmp_path: Path) -> None:
    """A message about a secret's value does not hold it."""
    secret = tmp_path / "secret"
    secret.write_text("hunter2\nhunter2")
    path = written(tmp_path, f"[store]\nurl = 4711\n[route.a]\nkind='mx'\npassword_file='{secret}'")
    shown = " ".join(f"{each.what} {each.fix} {each.evidence}" for each in findings(path))
    assert "4711" not in shown
    assert "hunter2" not in shown


def test_the_first_file_that_is_there_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The argument goes before the variable, that before the folder, that before the home's."""
    monkeypatch.chdir(tmp_path)
    home = tmp_path / "home" / "pillarbox"
    home.mkdir(parents=True)
    environ = {"XDG_CONFIG_HOME": str(home.parent)}
    (home / "config.toml").touch()
    assert find_file(None, environ) == home / "config.toml"
    Path("pillarbox.toml").touch()
    assert find_file(None, environ) == Path("pillarbox.toml")
    environ["PILLARBOX_CONFIG"] = "/named"
    assert find_file(None, environ) == Path("/named")
    assert find_file(Path("/asked"), environ) == Path("/asked")


def test_lines_are_found_behind_texts_over_several_lines(tmp_path: Path) -> None:
    """What looks like a key inside a text is not one, and the count goes on behind it."""
    path = written(tmp_path, '[node]\nname = """\\\n  [x]\\\n  shard = 3\\\n  """\nshard = "x"\n')
    (finding,) = findings(path)
    assert finding.evidence == (f"{path}:6",)
