"""A secret shows itself in one way only, on purpose (AUTHD-4)."""

from __future__ import annotations

import copy
import pickle

import pytest
from support_secrets import MARKER, shows_marker

from connector.spi import AuthenticationData, ConnectionRequestInfo, PasswordCredential, Secret, Subject


def test_what_it_holds_can_be_revealed(marker: Secret) -> None:
    assert marker.reveal() == MARKER


def test_neither_repr_nor_str_nor_format_shows_it(marker: Secret) -> None:
    assert not shows_marker(marker)
    assert f"{marker:>20}" == "****"
    assert "%s" % marker == "****"  # noqa: UP031 - the old operator is one more way to leak


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_it_can_be_neither_pickled_nor_copied(marker: Secret, copying: object) -> None:
    with pytest.raises(TypeError, match="can't be pickled"):
        copying(marker)  # type: ignore[operator]


def test_it_equals_a_secret_with_the_same_text_and_never_a_string(marker: Secret) -> None:
    assert marker == Secret(MARKER)
    assert marker != Secret("other")
    assert marker != MARKER


def test_it_is_no_dictionary_key(marker: Secret) -> None:
    with pytest.raises(TypeError):
        hash(marker)


def test_it_is_immutable(marker: Secret) -> None:
    with pytest.raises(AttributeError):
        marker._value = "x"


def test_only_text_can_be_a_secret() -> None:
    with pytest.raises(TypeError, match="holds a str"):
        Secret(b"bytes")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "holder",
    [
        lambda secret: PasswordCredential("alice", secret),
        lambda secret: AuthenticationData("alias", "alice", secret),
        lambda secret: ConnectionRequestInfo("alice", secret),
        lambda secret: Subject(credentials=[PasswordCredential("alice", secret)]),
        lambda secret: PasswordCredential("alice", secret).key(),
    ],
)
def test_no_holder_of_it_shows_it(marker: Secret, holder: object) -> None:
    assert not shows_marker(holder(marker))  # type: ignore[operator]
