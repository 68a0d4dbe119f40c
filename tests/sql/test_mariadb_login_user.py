"""A trusted login user of MariaDB with rights of its own is refused, with everything to be changed (TRUST-4)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text
from support_sql import MakeReference, MariaDatabase

from connector import Secret
from connector.errors import ConfigError
from connector_sql.mariadb_login_role import LoginUserFacts, Membership, faults

ANNA = Membership("anna", direct=True)
OWN = ("GRANT `anna` TO `pool`@`%`", "GRANT USAGE ON *.* TO `pool`@`%` IDENTIFIED BY PASSWORD '*HASH'")
OF_ANNA = ("GRANT USAGE ON *.* TO `anna`", "GRANT SELECT ON `ledger`.* TO `anna`")
FIT = LoginUserFacts((ANNA,), OWN, OF_ANNA)


def test_a_login_user_that_leads_to_its_callers_only_is_fit() -> None:
    assert faults(FIT) == ()


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (replace(FIT, own=("GRANT SELECT ON `ledger`.`a` TO `pool`@`%`",)), "granted SELECT ON `ledger`.`a`"),
        (replace(FIT, own=("GRANT USAGE ON *.* TO `pool`@`%` WITH GRANT OPTION",)), "WITH GRANT OPTION"),
        (replace(FIT, own=("GRANT PROXY ON 'chief'@'%' TO 'pool'@'%'",)), "PROXY ON 'chief'"),
        (replace(FIT, own=("something new",)), "can't be read"),
        (replace(FIT, memberships=(replace(ANNA, admin=True),)), "ADMIN OPTION"),
        (replace(FIT, memberships=(replace(ANNA, default=True),)), "active by default"),
        (replace(FIT, of_roles=("GRANT ALL PRIVILEGES ON *.* TO `anna`",)), "within reach has ALL PRIVILEGES ON *.*"),
        (replace(FIT, of_roles=("GRANT SELECT ON `mysql`.* TO `anna`",)), "SELECT ON `mysql`.*"),
        (replace(FIT, of_roles=("GRANT SELECT ON `a`.* TO `anna` WITH GRANT OPTION",)), "WITH GRANT OPTION"),
    ],
)
def test_a_right_too_many_is_a_fault(facts: LoginUserFacts, said: str) -> None:
    [fault] = faults(facts)
    assert said in fault


def test_of_many_rights_some_are_shown() -> None:
    many = tuple(f"GRANT SELECT ON `ledger`.`t{number}` TO `pool`@`%`" for number in range(7))
    assert faults(replace(FIT, own=many))[-1] == "it was granted 2 more rights"


def test_no_password_hash_is_shown() -> None:
    line = "GRANT FILE ON *.* TO `pool`@`%` IDENTIFIED BY PASSWORD '*HASH'"
    assert "HASH" not in "".join(faults(replace(FIT, own=(line,))))


BAD = {
    "table": ("GRANT SELECT ON ledger.diary TO bad@'127.0.0.1'", "granted SELECT ON `ledger`.`diary`"),
    "column": ("GRANT SELECT (what) ON ledger.diary TO bad@'127.0.0.1'", "granted SELECT (`what`)"),
    "server": ("GRANT PROCESS ON *.* TO bad@'127.0.0.1'", "granted PROCESS ON *.*"),
    "grant option": ("GRANT USAGE ON *.* TO bad@'127.0.0.1' WITH GRANT OPTION", "WITH GRANT OPTION"),
    "admin option": ("GRANT ben TO bad@'127.0.0.1' WITH ADMIN OPTION", "ben can be granted to others"),
    "default role": ("SET DEFAULT ROLE anna FOR bad@'127.0.0.1'", "anna is active by default"),
    "powerful role": ("GRANT FILE ON *.* TO chief; GRANT chief TO bad@'127.0.0.1'", "has FILE ON *.*"),
    "powerful role beyond a role": (
        "GRANT SELECT ON mysql.* TO chief; GRANT chief TO middle; GRANT middle TO bad@'127.0.0.1'",
        "has SELECT ON `mysql`.*",
    ),
}


@pytest.mark.mariadb
@pytest.mark.parametrize(("setup", "said"), BAD.values(), ids=BAD.keys())
def test_a_login_user_with_rights_of_its_own_is_refused(
    maria: MariaDatabase, make_reference: MakeReference, marker: Secret, setup: str, said: str
) -> None:
    maria.run_sql(f"CREATE USER bad@'127.0.0.1' IDENTIFIED BY '{marker.reveal()}'; CREATE ROLE chief, middle")
    try:
        maria.run_sql("GRANT anna TO bad@'127.0.0.1'")
        maria.run_sql(setup)
        properties = {"url": maria.url, "identity": "set-role"}
        reference = make_reference(properties=properties, trusted=("bad", marker), caller="anna")
        with pytest.raises(ConfigError) as refused:
            reference.connections.get_connection()
        assert refused.value.code == "CF-SQL-086"
        assert said in str(refused.value)
        assert reference.physical_count == 0
    finally:
        maria.run_sql("DROP USER bad@'127.0.0.1'; DROP ROLE chief, middle")


@pytest.mark.mariadb
def test_the_check_can_be_left_out(maria: MariaDatabase, make_reference: MakeReference, marker: Secret) -> None:
    maria.run_sql(f"CREATE USER loose@'127.0.0.1' IDENTIFIED BY '{marker.reveal()}'")
    try:
        maria.run_sql("GRANT anna TO loose@'127.0.0.1'; GRANT SELECT ON ledger.* TO loose@'127.0.0.1'")
        properties = {"url": maria.url, "identity": "set-role", "verify_login_role": False}
        reference = make_reference(properties=properties, trusted=("loose", marker), caller="anna")
        with reference.connections.get_connection() as connection:
            assert connection.execute(text("SELECT current_role()")).scalar_one() == "anna"
        reference.close()
    finally:
        maria.run_sql("DROP USER loose@'127.0.0.1'")
