"""The error tree: stable codes, actions, no secrets, pickles."""

from __future__ import annotations

import pickle

import pytest
from support_secrets import shows_marker

from connector.errors import ConfigError, PoolTimeout, Problem, Reason, WorkRejected, catalogue
from connector.spi import Secret, WorkErrorCode

TEST_REASON = Reason("CF-TEST-001", "found {found} in {where}.", "Change {where}.")


def test_an_error_has_code_text_and_action() -> None:
    error = PoolTimeout(TEST_REASON, found="x", where="y")
    assert (error.code, error.text, error.action) == ("CF-TEST-001", "found x in y.", "Change y.")
    assert str(error) == "CF-TEST-001: found x in y. Change y."
    assert error.to_dict() == {"code": "CF-TEST-001", "text": "found x in y.", "action": "Change y."}


def test_a_secret_among_the_details_shows_as_asterisks(marker: Secret) -> None:
    error = PoolTimeout(TEST_REASON, found=marker, where="y")
    assert not shows_marker(error)
    assert "****" in str(error)


def test_errors_survive_pickling_with_their_attributes(marker: Secret) -> None:
    error = pickle.loads(pickle.dumps(PoolTimeout(TEST_REASON, found=marker, where=1)))
    assert isinstance(error, PoolTimeout)
    assert error.details == {"found": "****", "where": 1}
    rejected = pickle.loads(
        pickle.dumps(WorkRejected(TEST_REASON, error_code=WorkErrorCode.INTERNAL, found=1, where=2))
    )
    assert rejected.error_code is WorkErrorCode.INTERNAL
    problem = Problem("CF-TEST-002", "f.toml", 3, "a.b", "1", "2")
    config = pickle.loads(pickle.dumps(ConfigError.of((problem,))))
    assert config.problems == (problem,)
    assert "f.toml:3: a.b" in str(config)


def test_a_missing_insert_does_not_hide_the_error() -> None:
    assert PoolTimeout(TEST_REASON).code == "CF-TEST-001"


def test_a_code_can_not_be_declared_twice() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        Reason("CF-TEST-001", "other", "other")
    assert TEST_REASON in catalogue()
