"""Running the chain of a login configuration (SIGN-4).

What a result means is decided in `login_outcome`; this module makes the modules, asks them, and sees to it that a
failure leaves nothing behind: no half-filled subject, and no text of a foreign exception, which might hold a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

from connector.errors import ConnectorError
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.security.login_contribution import Describe, described, names_set, remarks_of
from connector.security.login_outcome import ChainOutcome, ModuleResult, PhaseState, chain_outcome
from connector.security.login_report import ModuleRecord, chain_step
from connector.security.module_failure import presentable, unmade
from connector.spi import CallbackHandler, LoginFailed, LoginModule, Step, Subject

__all__ = ["ChainEntry", "ChainFailed", "ChainResult", "LoginConfiguration", "run_chain", "simulate"]


@dataclass(frozen=True, slots=True)
class ChainResult:
    """A chain that passed.

    Attributes:
        subject: What the modules put in at commit; read-only.
        step: The report, one sub-step a module.
    """

    subject: Subject
    step: Step


@final
class ChainFailed(Exception):
    """A chain that failed. Internal: sign-on turns it into a SignOnError with its own code.

    Attributes:
        error: The deciding exception: the module's LoginFailed or ConnectorError, or a LoginFailed that stands for
            whatever else it raised. It has no cause, context or traceback: those might show a secret.
        module: The name of the module that is to blame; None when all modules ignored the login.
        step: The report, one sub-step a module.
    """

    def __init__(self, error: LoginFailed | ConnectorError, module: str | None, step: Step) -> None:
        super().__init__(f"{step.what}: {step.why}: {error.text}")
        self.error = error
        self.module = module
        self.step = step

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.error, self.module, self.step)


def run_chain(
    configuration: LoginConfiguration, handler: CallbackHandler, *, describe: Describe = described
) -> ChainResult:
    """Run a configuration's chain: both phases, and `abort` of every module if either fails.

    Blocks as long as the modules do. Uses nothing shared: logins on several threads don't meet.

    Args:
        configuration: Whose chain.
        handler: Answers the modules' callbacks.
        describe: Puts into words, for the report, what a module has put into the subject.

    Raises:
        ChainFailed: The chain failed; nothing of the subject is left.
    """
    login = _Login(configuration, handler, describe)
    try:
        failed = login.phase("login", login.ask_login) or login.phase("commit", login.ask_commit)
    except BaseException:
        # KeyboardInterrupt or a cancellation is no module's failure, but the modules must still forget what they know.
        login.abort()
        raise
    if failed is None:
        return ChainResult(login.subject.set_read_only(), login.report(passed=True, blamed=None))
    login.abort()
    if failed.blamed is None:
        ignored = LoginFailed(
            f"all modules of the login configuration {configuration.name} ignored the login",
            "Stack a module that answers for this caller and reference.",
        )
        raise ChainFailed(ignored, None, login.report(passed=False, blamed=None))
    module = configuration.entries[failed.blamed].module
    raise ChainFailed(login.failures[failed.blamed], module, login.report(passed=False, blamed=failed.blamed))


def simulate(
    configuration: LoginConfiguration,
    logins: Sequence[ModuleResult],
    commits: Sequence[ModuleResult] | None = None,
) -> tuple[ChainOutcome, Step]:
    """What would become of the chain if its modules answered like this, without making or asking any. Pure.

    Args:
        configuration: Whose chain.
        logins: A result for each module's `login`.
        commits: A result for each module's `commit`; None for well-behaved modules.

    Raises:
        ValueError: There are not as many results as modules.
    """
    outcome = chain_outcome([entry.flag for entry in configuration.entries], logins, commits)
    records = [ModuleRecord(entry.module, entry.flag) for entry in configuration.entries]
    for position in outcome.login_asked:
        records[position].note("login", logins[position])
    return outcome, chain_step(configuration.name, records, passed=outcome.passed, blamed=outcome.blamed)


@final
class _Login:
    """One run of a chain, on one thread."""

    def __init__(self, configuration: LoginConfiguration, handler: CallbackHandler, describe: Describe) -> None:
        self._configuration = configuration
        self._handler = handler
        self._describe = describe
        # Mutable, all of one login and so of one thread: the subject being filled, what the modules share, the modules
        # made so far, the last failure of each, and what to report.
        self.subject = Subject()
        self._shared_state: dict[str, Any] = {}
        self._modules: dict[int, LoginModule] = {}
        self.failures: dict[int, LoginFailed | ConnectorError] = {}
        self._records = [ModuleRecord(entry.module, entry.flag) for entry in configuration.entries]

    def phase(self, name: str, ask: Callable[[int], bool]) -> PhaseState | None:
        """Walk one phase; None when it passed, else its final state."""
        state = PhaseState()
        for position, entry in enumerate(self._configuration.entries):
            if state.stopped:
                break
            try:
                result = ModuleResult.SUCCESS if ask(position) else ModuleResult.IGNORED
                why = ""
            except Exception as error:  # noqa: BLE001 - whatever a module raises is its failure and obeys its flag
                failure = presentable(error)
                if position not in self._modules:
                    failure = unmade(failure, entry.flag)
                self.failures[position] = failure
                result, why = ModuleResult.FAILURE, failure.text
            self._records[position].note(name, result, why)
            state = state.after(position, entry.flag, result)
        return None if state.passed else state

    def ask_login(self, position: int) -> bool:
        """Phase one of one module."""
        module, record = self._module(position), self._records[position]
        before = dict(self._shared_state)
        try:
            answer = _truth(module.login())
        finally:
            record.shared = names_set(before, self._shared_state)
            record.remarks = remarks_of(module)
        if not self.subject.is_empty:
            self.subject.clear()
            raise LoginFailed("the module put something into the subject before commit", "Report it to its author.")
        return answer

    def ask_commit(self, position: int) -> bool:
        """Phase two of one module."""
        module, held = self._module(position), self._held()
        answer = _truth(module.commit())
        known = {id(one) for one in held}
        self._records[position].given = tuple(one for one in self._held() if id(one) not in known)
        return answer

    def _held(self) -> tuple[object, ...]:
        return (*self.subject.principals, *self.subject.credentials)

    def abort(self) -> None:
        """Have every module forget, also those never reached; errors are dropped, the chain's own error counts."""
        for position in range(len(self._configuration.entries)):
            try:
                self._module(position).abort()
            except Exception:  # noqa: BLE001, S112 - see above; the text may hold a secret, so no log either
                continue
        self.subject.clear()  # what a module forgot to take out again

    def report(self, *, passed: bool, blamed: int | None) -> Step:
        """The report on the login."""
        return chain_step(
            self._configuration.name, self._records, passed=passed, blamed=blamed, describe=self._describe
        )

    def _module(self, position: int) -> LoginModule:
        """The module, made and initialised at its first use."""
        module = self._modules.get(position)
        if module is None:
            entry = self._configuration.entries[position]
            module = entry.make()
            module.initialize(self.subject, self._handler, self._shared_state, MappingProxyType(dict(entry.options)))
            self._modules[position] = module
        return module


def _truth(answer: object) -> bool:
    """A forgotten `return` must not pass for "ignore me"."""
    if not isinstance(answer, bool):
        raise LoginFailed(f"the module answered {type(answer).__name__} instead of True or False")
    return answer
