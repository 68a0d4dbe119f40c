"""The error tree: one stable code a reason, what was found, what to do, and never a secret.

Theory of operation
-------------------
A :class:`Reason` is one entry of the message catalogue: a stable code, a text and an action, both templates.
It is declared once, next to the place that raises it, and used in one place only, so that whoever reads a code knows
which check spoke.  Declaring a code twice is refused at import.  ``docs/errors.md`` is generated from the catalogue.

An error class says *whose* fault it is (configuration, caller, resource, plugin), the reason says *what* happened.
Every error can be pickled, carries its inserts as attributes in ``details`` and may carry the
:class:`connector.spi.Explanation` of the decision that failed.

This module imports nothing of ours (architecture rule 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

_CATALOGUE: dict[str, Reason] = {}


@dataclass(frozen=True, slots=True)
class Reason:
    """One entry of the message catalogue.

    Attributes:
        code: The stable code, for example ``"CF-POOL-001"``: programs may compare it, it never changes its meaning.
        text: What was found and where; a ``str.format`` template over the error's details.
        action: What to do about it; a template as well.
    """

    code: str
    text: str
    action: str

    def __post_init__(self) -> None:
        known = _CATALOGUE.get(self.code)
        if known is not None and known != self:
            raise ValueError(f"the reason code {self.code} is declared twice: {known.text!r} and {self.text!r}")
        _CATALOGUE[self.code] = self


def catalogue() -> tuple[Reason, ...]:
    """All reasons declared so far (by the modules imported so far), sorted by code. Does not block."""
    return tuple(_CATALOGUE[code] for code in sorted(_CATALOGUE))


class ConnectorError(Exception):
    """The root of everything that the framework raises on purpose.

    Args:
        reason: The catalogue entry.
        explanation: The decision that led here (a ``connector.spi.Explanation``), where there is one.
        **details: The inserts of the reason's templates. They must not be secrets: a ``Secret`` shows as asterisks.

    Attributes:
        code: The reason's stable code.
        action: What to do, with the details filled in.
        details: The inserts by name.
        explanation: See above.
    """

    #: The exit code of the command line for this family (``docs/cli.md``): 1 refused or failed.
    exit_code: ClassVar[int] = 1

    def __init__(self, reason: Reason, /, *, explanation: Any = None, **details: Any) -> None:
        self.reason = reason
        self.details = details
        self.explanation = explanation
        self.text = _fill(reason.text, details)
        self.action = _fill(reason.action, details)
        between = " " if not self.action or self.text.endswith((".", "!", "?", ":", ";")) else ". "
        super().__init__(f"{reason.code}: {self.text}{between}{self.action}".rstrip())

    @property
    def code(self) -> str:
        """The stable code of the reason."""
        return self.reason.code

    def to_dict(self) -> dict[str, Any]:
        """The error for programs (``--json``, admin endpoint): code, text, action; no secrets, no traceback."""
        return {"code": self.code, "text": self.text, "action": self.action}

    def __reduce__(self) -> tuple[Any, ...]:
        # Details are turned into text: an arbitrary object in them may not be picklable, and a secret must not be.
        plain = {
            name: value if isinstance(value, str | int | float | None) else str(value)
            for name, value in self.details.items()
        }
        return _rebuild, (type(self), self.reason, plain)


def _rebuild(kind: type[ConnectorError], reason: Reason, details: dict[str, Any]) -> ConnectorError:
    return kind(reason, **details)


def _fill(template: str, details: dict[str, Any]) -> str:
    """Fill a template; a missing insert is a defect of ours, and must not hide the error that is being reported."""
    try:
        return template.format(**details)
    except (KeyError, IndexError, ValueError):
        return template


# --- the deployer's side -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a configuration.

    Attributes:
        code: The stable code.
        file: The file's path as given, or ``"environment"``.
        line: The line, counted from 1, or None where the place has none (a missing key, the environment).
        key_path: The dotted key path, for example ``resources."jdbc/ledger".pool.max_size``.
        found: What stands there, in words; never a secret.
        allowed: What may stand there.
        hint: What to do, for example a suggestion for a misspelt key; may be empty.
    """

    code: str
    file: str
    line: int | None
    key_path: str
    found: str
    allowed: str
    hint: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        hint = f" {self.hint}" if self.hint else ""
        return f"{place}: {self.key_path}: {self.code}: found {self.found}; allowed: {self.allowed}.{hint}"


CONFIGURATION_WRONG = Reason(
    "CF-CONF-001",
    "the configuration has {count} mistake(s):\n{listing}",
    "Nothing was started; correct them and try again.",
)


class ConfigError(ConnectorError):
    """A configuration or deployment that can't be used; nothing was started (CONF-1).

    Attributes:
        problems: All mistakes found, in the order of the file; empty for a single-reason error.
    """

    exit_code = 2

    def __init__(self, reason: Reason, /, *, problems: tuple[Problem, ...] = (), **details: Any) -> None:
        self.problems = problems
        super().__init__(reason, **details)

    @classmethod
    def of(cls, problems: tuple[Problem, ...]) -> ConfigError:
        """One error that reports all mistakes at once."""
        listing = "\n".join(f"  {problem}" for problem in problems)
        return cls(CONFIGURATION_WRONG, problems=problems, count=len(problems), listing=listing)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_config, (type(self), super().__reduce__()[1], self.problems)


def _rebuild_config(
    kind: type[ConfigError], made: tuple[Any, Reason, dict[str, Any]], problems: tuple[Problem, ...]
) -> ConfigError:
    return kind(made[1], problems=problems, **made[2])


class DeploymentError(ConfigError):
    """An application can't be deployed: a handler module that doesn't import, roles on an unsecured container, …"""


class NameNotFound(ConfigError):
    """A name that nothing is bound to: a reference, resource, application, login configuration, bus or destination."""


class PluginError(ConnectorError):
    """A plugin that can't be loaded or breaks its contract (OPS-3)."""

    exit_code = 2


class StateInUse(ConnectorError):
    """The container's state folder belongs to another running container."""


# --- identity and access -------------------------------------------------------------------------------------------


class SecurityError(ConnectorError):
    """A refusal on the ground of identity or access; the root of the following."""


class AuthenticationFailed(SecurityError):
    """User and password (or ticket) don't prove who the caller says to be."""


class RegistryUnavailable(AuthenticationFailed):
    """A user registry could not be asked: nobody was refused, and nothing of it is kept."""

    @property
    def retryable(self) -> bool:
        """Whether trying again later may help, without anybody changing a setting."""
        return True


class AccessDenied(SecurityError):
    """The caller is known and may not do this."""


class ScopeError(SecurityError):
    """The identity on this thread or task is over: its work or login has ended (architecture rule 8)."""


class AuthDataError(SecurityError):
    """The authentication data can't be read or written: torn vault, missing or wrong key, unknown alias."""


class SignOnError(SecurityError):
    """No credential could be found for a connection (SIGN-7): names reference, resource, configuration and module.

    Attributes:
        retryable: Whether nobody was refused, and trying again later may help: a directory or a KDC did not answer.
    """

    retryable: bool = False


class SubjectRejected(SecurityError):
    """An inbound security context from which no subject can be established (FLOW-3).

    Attributes:
        retryable: Whether nobody was refused, and trying again later may help: the user registry did not answer.
    """

    retryable: bool = False


# --- connections ---------------------------------------------------------------------------------------------------


class ResourceError(ConnectorError):
    """Something about a connection or its pool; the root of the following."""


class ConnectionFailed(ResourceError):
    """The external system can't be reached or refused; `retryable` says whether trying later may help."""

    exit_code = 3
    retryable: bool = True


class LoginRefused(ConnectionFailed):
    """The external system was reached and refused the credential: trying again with it may lock the account."""

    exit_code = 1
    retryable = False


class SignerUnknown(ConnectionFailed):
    """Whoever answers shows a certificate by a signer that is not trusted; nothing was sent there (CHAIN-3).

    Its details name the `endpoint`, as HOST:PORT, and the TLS configuration `tls` whose signers were looked at: with
    them somebody at a terminal can be shown the certificate and asked.
    """

    exit_code = 1


class PoolTimeout(ResourceError):
    """No connection came free in time; the message has the counts of waiters and holders."""

    exit_code = 3


class PoolClosed(ResourceError):
    """The pool is closed: its container has stopped or is stopping."""


class HandleClosed(ResourceError):
    """A connection handle was used after it had been closed (POOL-3)."""


class IdentityMismatch(ResourceError):
    """A handle or physical connection belongs to another identity than the one in force: it is refused or destroyed."""


# --- inbound -------------------------------------------------------------------------------------------------------


class WorkError(ConnectorError):
    """A work could not be run; `error_code` is a WorkErrorCode or WorkContextErrorCode of `connector.spi`."""

    def __init__(self, reason: Reason, /, *, error_code: Any = None, **details: Any) -> None:
        self.error_code = error_code
        super().__init__(reason, error_code=error_code, **details)

    def __reduce__(self) -> tuple[Any, ...]:
        plain = {
            n: v if isinstance(v, str | int | float | None) else str(v)
            for n, v in self.details.items()
            if n != "error_code"
        }
        return _rebuild_work, (type(self), self.reason, self.error_code, plain)


def _rebuild_work(kind: type[WorkError], reason: Reason, error_code: Any, details: dict[str, Any]) -> WorkError:
    return kind(reason, error_code=error_code, **details)


class WorkRejected(WorkError):
    """The work manager did not accept the work: not started in time, no place, or stopping."""


class WorkCompletedWithError(WorkError):
    """The work was accepted and completed with an error: its context could not be set up, or its `run` raised."""


class TransactionError(ConnectorError):
    """A unit of work could not be committed, or was used wrongly; see the text for what became of it."""


class OutcomeUnknown(TransactionError):
    """Whether something was committed can't be told: the answer was lost on the way, or the disk failed.

    A participant raises it from a one-phase `commit`, whose other errors mean "rolled back". What depends on it stays
    prepared, and is listed for an operator.
    """


class DeliveryError(ConnectorError):
    """A message could not be delivered to its handler; it is not lost (FLOW-5)."""


class DeliveryPostponed(DeliveryError):
    """The handler takes no message now, and was not called: the activation is paused, over, or at its concurrency.

    The message is not to blame: the adapter keeps it as it was, and counts no attempt.
    """


class MessagingError(ConnectorError):
    """The messaging system refused or failed an operation; adapters derive their own reasons from it."""


class RequestFailed(MessagingError):
    """A request was answered with a fault: the request stands in the exception destination with the same reason."""
