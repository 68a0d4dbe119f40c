"""What would become of a login if a module answered otherwise: some answers are taken for given, the others are asked.

`login_chain.simulate` answers the same where every answer is given; here the rest of the chain is real, and so is what
sign-on makes of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, final

from connector.errors import ConfigError, Reason
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.security.login_outcome import ModuleResult
from connector.spi import CallbackHandler, Dependency, LoginFailed, LoginModule, Subject

SUPPOSED_MODULE_UNKNOWN = Reason(
    "CF-SIGN-030",
    "nothing can be supposed of the module {module!r}: it is not in {where}.",
    "Name one of its modules: {known}.",
)


def supposing(configuration: LoginConfiguration, answers: Mapping[str, ModuleResult]) -> LoginConfiguration:
    """The configuration in which modules of these names answer like this at `login`, without being made. Pure.

    One that is supposed to succeed gives no credential: nobody knows which.

    Raises:
        ConfigError: A name is none of its modules'.
    """
    check_supposed(
        answers, f"the login configuration {configuration.name!r}", {e.module for e in configuration.entries}
    )
    return replace(configuration, entries=tuple(_supposed(entry, answers) for entry in configuration.entries))


def check_supposed(answers: Mapping[str, ModuleResult], where: str, known: set[str]) -> None:
    """Raises ConfigError for a name that is not among the known ones."""
    for module in answers:
        if module not in known:
            raise ConfigError(
                SUPPOSED_MODULE_UNKNOWN, module=module, where=where, known=", ".join(sorted(known)) or "it has none"
            )


def _supposed(entry: ChainEntry, answers: Mapping[str, ModuleResult]) -> ChainEntry:
    answer = answers.get(entry.module)
    return entry if answer is None else replace(entry, make=_maker(answer))


def _maker(answer: ModuleResult) -> Callable[[], LoginModule]:
    return lambda: _SupposedModule(answer)


@final
class _SupposedModule:
    """Answers what it is supposed to, and gives nothing."""

    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.TIME})

    def __init__(self, answer: ModuleResult) -> None:
        self._answer = answer

    def initialize(
        self,
        subject: Subject,
        callback_handler: CallbackHandler,
        shared_state: MutableMapping[str, Any],
        options: Mapping[str, Any],
    ) -> None:
        """Needs nothing."""

    def login(self) -> bool:
        """The supposed answer."""
        if self._answer is ModuleResult.FAILURE:
            raise LoginFailed("supposed to fail")
        return self._answer is ModuleResult.SUCCESS

    def remarks(self) -> Sequence[str]:
        """That it was not asked."""
        return (f"supposed: {self._answer.value}; the module itself was not asked",)

    def commit(self) -> bool:
        """Whether it is supposed to succeed; puts nothing in."""
        return self._answer is ModuleResult.SUCCESS

    def abort(self) -> bool:
        """There is nothing to forget."""
        return True

    def logout(self) -> bool:
        """There is nothing to take out."""
        return True
