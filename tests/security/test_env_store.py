"""Authentication data from the environment: read-only, and strict about what is whole (AUTHD-2)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_secrets import MARKER, shows_marker
from support_security import variables_showing

from connector.errors import AuthDataError
from connector.security.audit import MemoryAuditLog
from connector.security.authdata import AuthDataService
from connector.security.env_store import EnvironmentStore, env_store
from connector.spi import AuthenticationDataStore, Secret

PREFIX = "CONNECTOR_AUTH_DATA__"


def store(**variables: str) -> EnvironmentStore:
    return EnvironmentStore(environment={f"{PREFIX}{name}": value for name, value in variables.items()} | {"PATH": "/"})


def refused(broken: EnvironmentStore) -> AuthDataError:
    with pytest.raises(AuthDataError) as caught:
        broken.load()
    assert not shows_marker(caught.value)
    assert variables_showing(MARKER, caught.value) == []
    return caught.value


def test_it_is_a_read_only_store() -> None:
    assert isinstance(store(), AuthenticationDataStore)
    assert store().read_only
    assert dict(store().load()) == {}


def test_an_entry_is_user_and_password_under_a_normalised_alias(marker: Secret) -> None:
    entries = store(
        LEDGER_BATCH__USER="batch", LEDGER_BATCH__PASSWORD=MARKER, LEDGER_BATCH__DESCRIPTION="nightly"
    ).load()
    entry = entries["ledger-batch"]
    assert list(entries) == ["ledger-batch"]
    assert (entry.alias, entry.user, entry.password, entry.description) == ("ledger-batch", "batch", marker, "nightly")
    assert not shows_marker(entries)


def test_a_password_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_bytes(b" spaced \r\n")
    assert store(A__USER="u", A__PASSWORD_FILE=str(path)).load()["a"].password.reveal() == " spaced "


def test_every_field_may_stand_in_a_file(tmp_path: Path) -> None:
    for name in ("user", "password", "description"):
        (tmp_path / name).write_text(f"the {name}\n")
    given = {f"A__{name.upper()}_FILE": str(tmp_path / name) for name in ("user", "password", "description")}
    entry = store(**given).load()["a"]
    assert (entry.user, entry.password.reveal(), entry.description) == ("the user", "the password", "the description")


@pytest.mark.parametrize(
    "variables",
    [
        {"A__USER": "u", "A__USER_FILE": "/f", "A__PASSWORD": MARKER},
        {"A__USER": "u", "A__PASSWORD": MARKER, "A__DESCRIPTION": "d", "A__DESCRIPTION_FILE": "/f"},
        {"A__USER": "u"},
        {"A__PASSWORD": MARKER},
        {"A__USER": "u", "A__PASSWORD": MARKER, "A__PASSWORD_FILE": "/f"},
        {"A__USER": "u", "B__PASSWORD": MARKER},
    ],
)
def test_half_an_entry_is_an_error_and_not_skipped(variables: dict[str, str]) -> None:
    assert refused(store(**variables)).code == "CF-AUTHD-032"


@pytest.mark.parametrize("name", ["A__PASWORD", "A", "__USER", "A__user"])
def test_a_misspelt_variable_is_told(name: str) -> None:
    error = refused(store(**{name: MARKER}))
    assert error.code == "CF-AUTHD-031"
    assert name in str(error)


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"A__USER": "u", "A__PASSWORD": ""}, "A__PASSWORD"),
        ({"A__USER": "", "A__PASSWORD": MARKER}, "A__USER"),
        ({"A__USER": "u", "A__PASSWORD_FILE": "FILE"}, "A__PASSWORD_FILE"),
        ({"A__USER_FILE": "FILE", "A__PASSWORD": MARKER}, "A__USER_FILE"),
    ],
)
@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_user_or_password_is_an_error(
    tmp_path: Path, variables: dict[str, str], name: str, content: str
) -> None:
    (tmp_path / "value").write_text(content)
    error = refused(store(**{key: value.replace("FILE", str(tmp_path / "value")) for key, value in variables.items()}))
    assert error.code == "CF-AUTHD-580"
    assert f"{PREFIX}{name} " in error.text


def test_a_mounted_file_that_is_filled_late_takes_no_password_away(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("old")
    service = AuthDataService(store(A__USER="u", A__PASSWORD_FILE=str(path)), MemoryAuditLog())
    path.write_text("")
    with pytest.raises(AuthDataError, match="CF-AUTHD-580"):
        service.refresh()
    assert service.require("a").password == Secret("old")


def test_a_password_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    assert refused(store(A__USER="u", A__PASSWORD_FILE=str(tmp_path / "none"))).code == "CF-AUTHD-033"


def test_changes_are_refused() -> None:
    for change in (
        lambda: store().put("a", "u", Secret("p")),
        lambda: store().remove("a"),
        lambda: store().rotate_key(),
    ):
        with pytest.raises(AuthDataError) as caught:
            change()
        assert caught.value.code == "CF-AUTHD-030"


def test_the_provider_reads_the_process_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}DEMO__USER", "u")
    monkeypatch.setenv(f"{PREFIX}DEMO__PASSWORD", "p")
    assert env_store({"store": "env"}).load()["demo"].user == "u"
    monkeypatch.setenv("OTHER__DEMO__USER", "other")
    monkeypatch.setenv("OTHER__DEMO__PASSWORD", "p")
    assert env_store({"store": "env", "prefix": "OTHER"}).load()["demo"].user == "other"


def test_a_rotated_password_file_supersedes_at_the_next_refresh(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("old")
    service = AuthDataService(store(A__USER="u", A__PASSWORD_FILE=str(path)), MemoryAuditLog())
    path.write_text("new")
    assert service.refresh() == {"a"}
    assert service.require("a").version == 2


def test_nothing_shows_the_environment(marker: Secret) -> None:
    assert not shows_marker(store(A__USER="u", A__PASSWORD=marker.reveal()))
