"""A trusted login role with rights of its own is refused, with everything that must be changed (TRUST-4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support_sql import Database, MakeReference

from connector import Secret
from connector.errors import ConfigError
from connector_sql.login_role import LoginRoleFacts, Membership, RoleAttributes, faults

LOGIN = RoleAttributes("pool", is_login=True)
ALICE = RoleAttributes("alice", is_login=False)
FIT = LoginRoleFacts((LOGIN, ALICE), (Membership("alice", inherits=False, admin=False),))


def test_a_login_role_that_leads_to_its_callers_only_is_fit() -> None:
    assert faults(FIT) == ()


@pytest.mark.parametrize("attribute", ["superuser", "createrole", "bypassrls", "replication"])
@pytest.mark.parametrize("role", [LOGIN, ALICE])
def test_a_powerful_role_within_reach_is_a_fault(role: RoleAttributes, attribute: str) -> None:
    granted: dict[str, Any] = {attribute: True}
    powerful = replace(role, **granted)

    [fault] = faults(replace(FIT, roles=(powerful,)))

    assert attribute.upper() in fault
    assert ("it has" in fault) == role.is_login


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (replace(FIT, roles=(LOGIN, RoleAttributes("pg_read_all_data", is_login=False))), "pg_read_all_data"),
        (replace(FIT, memberships=(Membership("alice", inherits=True, admin=False),)), "INHERIT FALSE"),
        (replace(FIT, memberships=(Membership("alice", inherits=False, admin=True),)), "ADMIN OPTION"),
        (replace(FIT, owned=("table a",)), "owns table a"),
        (replace(FIT, granted=tuple(f"table t{i}" for i in range(7))), "and 2 more"),
    ],
)
def test_a_right_of_its_own_is_a_fault(facts: LoginRoleFacts, said: str) -> None:
    [fault] = faults(facts)
    assert said in fault


BAD = {
    "inherits": ("CREATE ROLE bad LOGIN PASSWORD '{0}'; GRANT alice TO bad", "inherits the rights of alice"),
    "superuser": ("CREATE ROLE bad LOGIN NOINHERIT SUPERUSER PASSWORD '{0}'", "it has SUPERUSER"),
    "createrole": ("CREATE ROLE bad LOGIN NOINHERIT CREATEROLE PASSWORD '{0}'", "it has CREATEROLE"),
    "bypassrls": ("CREATE ROLE bad LOGIN NOINHERIT BYPASSRLS PASSWORD '{0}'", "it has BYPASSRLS"),
    "grants": (
        "CREATE ROLE bad LOGIN NOINHERIT PASSWORD '{0}'; GRANT SELECT ON ledger TO bad",
        "granted rights of its own: table ledger",
    ),
    "owner": (
        "CREATE ROLE bad LOGIN NOINHERIT PASSWORD '{0}'; CREATE TABLE mine (); ALTER TABLE mine OWNER TO bad",
        "owns table mine",
    ),
    "in another database": (
        "CREATE ROLE bad LOGIN NOINHERIT PASSWORD '{0}'; GRANT CREATE ON SCHEMA elsewhere TO bad",
        "granted rights of its own: schema elsewhere",
    ),
    "create": (
        "CREATE ROLE bad LOGIN NOINHERIT PASSWORD '{0}'; GRANT CREATE ON DATABASE postgres TO bad",
        "CREATE on database postgres",
    ),
    "admin within reach": (
        "CREATE ROLE bad LOGIN NOINHERIT PASSWORD '{0}'; CREATE ROLE chief CREATEROLE; GRANT chief TO middle;"
        " GRANT middle TO bad",
        "role chief, which it can become, has CREATEROLE",
    ),
    "predefined": (
        "CREATE ROLE bad LOGIN NOINHERIT PASSWORD '{0}'; GRANT pg_read_all_data TO bad",
        "predefined role pg_read_all_data",
    ),
    "admin option": (
        "CREATE ROLE bad LOGIN NOINHERIT PASSWORD '{0}'; GRANT alice TO bad WITH ADMIN OPTION",
        "may grant alice to others",
    ),
}


@pytest.mark.postgresql
@pytest.mark.parametrize(("setup", "said"), BAD.values(), ids=BAD.keys())
def test_a_login_role_with_rights_of_its_own_is_refused(
    database: Database, make_reference: MakeReference, marker: Secret, setup: str, said: str
) -> None:
    database.run_sql("CREATE ROLE middle; CREATE SCHEMA elsewhere")
    try:
        database.run_sql(setup.format(marker.reveal()))
        reference = make_reference(properties={"url": database.url}, trusted=("bad", marker))
        with pytest.raises(ConfigError) as refused:
            reference.connections.get_connection()
        assert refused.value.code == "CF-SQL-023"
        assert said in str(refused.value)
        assert reference.physical_count == 0
    finally:
        database.run_sql(
            "DROP TABLE IF EXISTS mine; DROP SCHEMA elsewhere; DROP OWNED BY bad; DROP ROLE bad;"
            " DROP ROLE IF EXISTS chief; DROP ROLE middle"
        )


@pytest.mark.postgresql
def test_the_check_can_be_left_out(database: Database, make_reference: MakeReference, marker: Secret) -> None:
    database.run_sql(f"CREATE ROLE loose LOGIN PASSWORD '{marker.reveal()}'; GRANT alice TO loose")
    try:
        properties = {"url": database.url, "verify_login_role": False}
        reference = make_reference(properties=properties, trusted=("loose", marker))
        with reference.connections.get_connection() as connection:
            assert connection.exec_driver_sql("SELECT current_user").scalar_one() == "alice"
        reference.close()
    finally:
        database.run_sql("DROP ROLE loose")


@pytest.mark.postgresql
def test_a_user_who_signs_on_as_itself_may_have_rights_of_its_own(
    database: Database, make_reference: MakeReference, marker: Secret
) -> None:
    reference = make_reference(properties={"url": database.url}, passwords={"carol": marker})

    with reference.called_by("carol") as connections, connections.get_connection() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM ledger").scalar_one() == 0
