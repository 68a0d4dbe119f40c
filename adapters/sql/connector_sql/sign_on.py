"""Who a physical connection is signed on as, and whether a driver's error says that the credential was refused.

Pure: a table and two functions, no I/O.
"""

from __future__ import annotations

from typing import TypeAlias

from connector.errors import Reason, SignOnError
from connector.spi import KerberosCredential, PasswordCredential, PlatformIdentity, Subject

#: What a database can be signed on with; the first of a subject is taken, and a plan's subject has one.
SqlCredential: TypeAlias = PasswordCredential | KerberosCredential | PlatformIdentity

CREDENTIAL_NEEDED = Reason(
    "CF-SQL-010",
    "resource {resource} needs a user and got {found}.",
    "Give the reference an authentication alias, or the resource a component alias or user and password.",
)

#: Databases that know no users: whoever opens the file is in.
WITHOUT_USERS = frozenset({"sqlite"})

#: How drivers say that the credential was refused: SQLSTATE class 28; by number MySQL and MariaDB; psycopg gives no
#: SQLSTATE while connecting, only the server's words.
_REFUSAL_NUMBERS = frozenset(
    {
        1045,  # user or password
        1698,  # the account isn't opened by a password
        1862,  # the password has expired
        3118,  # the account is locked (MySQL)
        4151,  # the account is locked (MariaDB)
        4166,  # the account is blocked after too many wrong passwords
    }
)
#: Signed on, but not to that database: said in the words of a refusal, and none of the credential.
_NOT_THAT_DATABASE = 1044
_REFUSAL_WORDS = (
    "authentication failed",
    "no password supplied",
    "is not permitted to log in",
    "no pg_hba.conf entry",
    "access denied for user",
)


def credential_for(
    factory: object, resource: str, dialect: str, url_user: str | None, subject: Subject | None
) -> SqlCredential | None:
    """Choose what to sign on with (SIGN-1, SIGN-6).

    Args:
        factory: The managed connection factory: another factory's credentials are never used.
        resource: Its resource's name, for errors.
        dialect: SQLAlchemy's name of the database.
        url_user: The user in the URL, if there is one.
        subject: None: the URL alone decides. Empty: sign on as nobody, which only a database without users allows.

    Returns:
        The credential, or None for "by the URL alone".

    Raises SignOnError where a user is needed. It is never left to the driver, which would take the process's own.
    """
    if dialect in WITHOUT_USERS:
        return None
    if subject is None and url_user:
        return None
    credential = _credential_in(subject, factory) if subject is not None else None
    if credential is None or not credential.user:
        raise SignOnError(CREDENTIAL_NEEDED, resource=resource, found=_describe(subject))
    return credential


def is_refusal(error: BaseException) -> bool:
    """Whether a driver's error while connecting means that the credential was refused, not that nobody answered."""
    if str(getattr(error, "sqlstate", None) or "").startswith("28"):
        return True
    number = error.args[0] if error.args else None
    if number in _REFUSAL_NUMBERS:
        return True
    if number == _NOT_THAT_DATABASE:
        return False
    text = str(error).lower()
    # PostgreSQL: role "x" does not exist; a missing database reads likewise and is no refusal.
    missing_role = 'fatal:  role "' in text and "does not exist" in text
    return missing_role or any(words in text for words in _REFUSAL_WORDS)


def _credential_in(subject: Subject, factory: object) -> SqlCredential | None:
    password = subject.password_credential(factory)
    if password is not None:
        return password
    for tickets in subject.credentials_of(KerberosCredential, factory):
        return tickets
    return next(iter(subject.credentials_of(PlatformIdentity, factory)), None)


def _describe(subject: Subject | None) -> str:
    if subject is None:
        return "none, and its url names none"
    if subject.is_empty:
        return "an empty subject, which means nobody"
    return f"a subject without a credential for it ({len(subject.credentials)} credential(s) of other kinds)"
