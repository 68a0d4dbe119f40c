"""The trail of one sign-on: each step is noted as it is taken, so that it can explain itself (SIGN-7, SIGN-8)."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, final

from connector.errors import Reason, SignOnError
from connector.signon.reference import ResourceReference
from connector.spi import Explanation, RejectedSource, SignOnSource, Step, Subject, Verdict


def caller_text(caller: Subject | None) -> str:
    """The caller for people; null and empty are told apart."""
    if caller is None:
        return "no caller"
    return str(caller.caller) if caller.caller is not None else "a caller without identity"


@final
class SignOnTrail:
    """Collects what was considered and what became of it; belongs to one resolution on one thread.

    Args:
        reference: The reference that is signed on.
        caller: Who asks; None for no caller.
        caller_matters: Whether the outcome depends on the caller. If not, the explanation speaks of any caller, since
            the plan that it belongs to is lent to others as well.
        in_full: Whether the explanation of a success says what each module contributed. A refusal's always does.
    """

    def __init__(
        self, reference: ResourceReference, caller: Subject | None, *, caller_matters: bool, in_full: bool = True
    ) -> None:
        self._reference = reference
        self._in_full = in_full
        self._caller = caller_text(caller)
        self._for = self._caller if caller_matters else "any caller"
        # Mutable: the steps so far, and the sources among them that were passed over. One thread only, so no lock.
        self._steps = [
            Step("deployment", Verdict.NOTE, f"its {setting} wins over the descriptor")
            for setting in reference.overridden
        ]
        self._rejected: list[RejectedSource] = []

    @property
    def rejected(self) -> tuple[RejectedSource, ...]:
        """The sources passed over so far, each with its reason."""
        return tuple(self._rejected)

    def reject(self, source: SignOnSource, why: str) -> None:
        """Note a source that does not decide."""
        self._rejected.append(RejectedSource(source, why))
        self._steps.append(Step(source.value, Verdict.REJECTED, why))

    def take(self, source: SignOnSource, why: str) -> None:
        """Note the source that decides."""
        self._steps.append(Step(source.value, Verdict.TAKEN, why))

    def add(self, *steps: Step) -> None:
        """Note steps that were made elsewhere, for example by a login chain."""
        self._steps.extend(steps)

    def explanation(self, answer: str) -> Explanation:
        """The way so far, with its outcome."""
        whole = self._whole(answer)
        # What each module has to say differs for each caller. Ten thousand callers' plans are kept, and would be two
        # thirds larger with it.
        told = whole if self._in_full else whole.in_short()
        return replace(told, steps=tuple(map(_shared, told.steps)))

    def _whole(self, answer: str) -> Explanation:
        reference = self._reference
        question = (
            f"sign-on of reference {reference.name!r} (res_auth {reference.res_auth.value}, "
            f"resource {reference.resource!r}) for {self._for}"
        )
        return Explanation(question, answer, tuple(self._steps))

    def refuse(self, reason: Reason, what: str, **details: Any) -> SignOnError:
        """The error that ends this resolution; reference, resource and caller are filled into its templates.

        Args:
            reason: The raising module's own catalogue entry.
            what: The rule or source that failed.
            **details: Further inserts; never a secret.
        """
        error = SignOnError(
            reason, reference=self._reference.name, resource=self._reference.resource, caller=self._caller, **details
        )
        self._steps.append(Step(what, Verdict.FAILED, error.text))
        error.explanation = self._whole(f"refused, {error.code}: {error.text} {error.action}".rstrip())
        return error


@lru_cache(maxsize=1024)
def _shared(step: Step) -> Step:
    """The one object for all equal steps: ten thousand callers' plans are kept, and most say the same of the way."""
    return step
