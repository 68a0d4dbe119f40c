"""The decision who a work runs as, from what its security context said: one pure function (FLOW-3).

Theory of operation
-------------------
A security context speaks by callbacks, in any order and over several calls, or it fills the execution subject with a
*ready subject*.  `inflow_handler` collects what was said; when the set-up is over, `decide_inflow` looks at all of it
at once.  So the order can't matter, and a subject exists only after everything was found right: a failed set-up leaves
nothing behind because there was nothing yet.

The rows are tried from the top; the first that fits decides (research/connectors.md 2.12)::

    passwords          placed principals   caller callbacks             outcome
    -----------------  ------------------  ---------------------------  ------------------------------------------
    one was wrong      any                 any                          refused: wrong password
    any                some                any callback at all          refused: ready subject plus callbacks
    none               two callers         none                         refused: ready subject of two callers
    none               no caller           none                         unauthenticated
    none               unauthenticated     none                         unauthenticated
    none               realm not trusted   none                         refused: untrusted realm
    none               own, trusted realm  none                         that caller, its groups, its credentials
    any                none                two or more                  refused: two callers
    right              none                none                         refused: password without caller
    right              none                another than the user        refused: caller is not the password's user
    none               none                none, null or empty name     unauthenticated
    none               none                a group, the server          refused: not a user
    any                none                of a foreign realm           refused: no inbound map (trust serves ready
                                                                        subjects only)
    any                none                unknown to the realm         refused: unknown user
    any                none                known to the realm           caller, registry's groups united with the
                                                                        known ones of the callbacks, credentials

Groups that the realm doesn't know, and groups of another realm than the caller's, are dropped and reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from connector.errors import Reason
from connector.spi import (
    Explanation,
    GroupPrincipal,
    Principal,
    ServerPrincipal,
    Step,
    Subject,
    UnauthenticatedPrincipal,
    UserPrincipal,
    Verdict,
)

WRONG_PASSWORD = Reason(
    "CF-WORK-020",
    "the password of user {user!r} was not accepted, so the work can't run as anybody.",
    "Have the external system send the right password, or correct the user in realm {realm!r}.",
)
READY_SUBJECT_PLUS_CALLBACKS = Reason(
    "CF-WORK-021",
    "the security context filled the execution subject and used callbacks as well.",
    "The adapter must do one or the other; report it to the adapter's vendor.",
)
READY_SUBJECT_OF_TWO = Reason(
    "CF-WORK-022",
    "the ready subject has {count} callers.",
    "The adapter must hand over a subject with one principal that is not a group.",
)
UNTRUSTED_REALM = Reason(
    "CF-WORK-023",
    "the ready subject's caller {caller} comes from realm {found!r}, which is neither {realm!r} nor trusted inbound.",
    "Add the realm to `trusted_inbound` of [realms.{realm}] if its identities may be believed.",
)
TWO_CALLERS = Reason(
    "CF-WORK-024",
    "the security context named the caller {count} times.",
    "The adapter must name one caller for each work.",
)
PASSWORD_WITHOUT_CALLER = Reason(
    "CF-WORK-025",
    "the security context validated a password and named no caller.",
    "The adapter must name the caller as well as validating the password.",
)
CALLER_NOT_PASSWORD_USER = Reason(
    "CF-WORK-026",
    "the caller {caller} is not the user {user!r} whose password was validated.",
    "The adapter must validate the password of the caller that it names.",
)
NOT_A_USER = Reason(
    "CF-WORK-027",
    "the caller callback named {caller}, a {kind}.",
    "The adapter must name a user, or nobody for the unauthenticated caller.",
)
FOREIGN_REALM = Reason(
    "CF-WORK-028",
    "the caller callback named {caller} of realm {found!r}; only callers of realm {realm!r} can be asserted by name.",
    "Have the adapter hand over a ready subject of a trusted realm, or send a name of realm {realm!r}.",
)
UNKNOWN_USER = Reason(
    "CF-WORK-029",
    "the caller {user!r} is not known to realm {realm!r}.",
    "Add the user to the realm (`connector users add {user}`), or correct the sender.",
)


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that a security context said, in the order in which it was heard.

    Attributes:
        callers: What each caller callback named.
        groups: The group names of all group callbacks.
        passwords: The user of each validated password, and whether it was right.
        group_callbacks: How many group callbacks there were, empty ones included.
        placed: The principals that the context itself put into the execution subject.
        credentials: The private credentials that it put there.
    """

    callers: tuple[Principal | str | None, ...] = ()
    groups: tuple[str, ...] = ()
    passwords: tuple[tuple[str, bool], ...] = ()
    group_callbacks: int = 0
    placed: tuple[Principal, ...] = ()
    credentials: tuple[Any, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class RealmFacts:
    """What the realm knows about those who were named; answers to questions about others are not needed.

    Attributes:
        realm: The application's realm.
        trusted: The trusted inbound realms.
        groups_of: The registry's groups by user; a user that is missing here is unknown to the realm.
        known_groups: The groups, among those named, that the realm knows.
    """

    realm: str
    trusted: frozenset[str] = frozenset()
    groups_of: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    known_groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class InflowDecision:
    """What `decide_inflow` found.

    Attributes:
        subject: The execution subject, read-only; None for a refusal.
        rule: The row of the table, in words; goes into the scope's origin and the explanation.
        reason: Why it was refused; None for a subject.
        details: The reason's inserts.
        dropped_groups: Groups that were named and don't count, for a warning.
    """

    subject: Subject | None
    rule: str
    reason: Reason | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    dropped_groups: tuple[str, ...] = ()

    def explanation(self) -> Explanation:
        """The decision in words, without secrets (architecture rule 11)."""
        if self.subject is None:
            step = Step("security context", Verdict.FAILED, self.rule)
            return Explanation("the execution subject of a work", f"refused: {self.rule}", (step,))
        steps = [Step("security context", Verdict.TAKEN, self.rule)]
        steps += [Step(f"group {name}", Verdict.REJECTED, "not a group of the realm") for name in self.dropped_groups]
        return Explanation("the execution subject of a work", str(self.subject.caller), tuple(steps))


#: What a caller callback may hold besides users.
_NO_USER = (GroupPrincipal, ServerPrincipal, UnauthenticatedPrincipal)

#: The subject of every work without a caller; read-only, so one is enough.
NOBODY = Subject.unauthenticated()


def decide_inflow(heard: Heard, facts: RealmFacts) -> InflowDecision:
    """The table above. Pure: does not block, raises nothing, safe from any thread (FLOW-3)."""
    wrong = next((user for user, right in heard.passwords if not right), None)
    if wrong is not None:
        return _refused("wrong password", WRONG_PASSWORD, user=wrong, realm=facts.realm)
    if heard.placed:
        if heard.callers or heard.passwords or heard.group_callbacks:
            return _refused("ready subject plus callbacks", READY_SUBJECT_PLUS_CALLBACKS)
        return _ready_subject(heard, facts)
    return _named_caller(heard, facts)


def named_user(caller: Principal | str | None, realm: str) -> str | None:
    """The user of our own realm that a caller callback names; None for nobody, for foreigners and for non-users."""
    if isinstance(caller, str):
        return caller or None
    if caller is None or isinstance(caller, _NO_USER) or caller.realm != realm:
        return None
    return caller.name or None


def _ready_subject(heard: Heard, facts: RealmFacts) -> InflowDecision:
    callers = [principal for principal in heard.placed if not isinstance(principal, GroupPrincipal)]
    if len(callers) > 1:
        return _refused("ready subject of two callers", READY_SUBJECT_OF_TWO, count=len(callers))
    if not callers or _is_nobody(callers[0]):
        return InflowDecision(NOBODY, "ready subject without a caller")
    caller = callers[0]
    if caller.realm != facts.realm and caller.realm not in facts.trusted:
        return _refused(
            "ready subject of an untrusted realm",
            UNTRUSTED_REALM,
            caller=str(caller),
            found=caller.realm,
            realm=facts.realm,
        )
    groups = [principal for principal in heard.placed if isinstance(principal, GroupPrincipal)]
    # A trusted realm answers for its own groups only: it must not put its users into ours.
    own = [group for group in groups if group.realm == caller.realm]
    dropped = tuple(str(group) for group in groups if group.realm != caller.realm)
    if type(caller) is Principal:
        caller = UserPrincipal(caller.name, caller.realm)
    rule = "ready subject of the own realm" if caller.realm == facts.realm else "ready subject of a trusted realm"
    subject = Subject([caller, *own], heard.credentials, read_only=True)
    return InflowDecision(subject, rule, dropped_groups=dropped)


def _named_caller(heard: Heard, facts: RealmFacts) -> InflowDecision:
    if len(heard.callers) > 1:
        return _refused("two callers", TWO_CALLERS, count=len(heard.callers))
    if not heard.callers:
        if heard.passwords:
            return _refused("password without caller", PASSWORD_WITHOUT_CALLER)
        return InflowDecision(NOBODY, "no caller", dropped_groups=heard.groups)
    caller = heard.callers[0]
    user = named_user(caller, facts.realm)
    other = next((name for name, _ in heard.passwords if name != user), None)
    if other is not None:
        text = "nobody" if _is_nobody(caller) else str(caller)
        return _refused("caller is not the password's user", CALLER_NOT_PASSWORD_USER, caller=text, user=other)
    if _is_nobody(caller):
        return InflowDecision(NOBODY, "null caller", dropped_groups=heard.groups)
    if isinstance(caller, GroupPrincipal | ServerPrincipal):
        return _refused("not a user", NOT_A_USER, caller=str(caller), kind=type(caller).__name__)
    if user is None:
        found = "" if not isinstance(caller, Principal) else caller.realm
        return _refused("foreign realm", FOREIGN_REALM, caller=str(caller), found=found, realm=facts.realm)
    if user not in facts.groups_of:
        return _refused("unknown user", UNKNOWN_USER, user=user, realm=facts.realm)
    asserted = [group for group in dict.fromkeys(heard.groups) if group in facts.known_groups]
    dropped = tuple(group for group in dict.fromkeys(heard.groups) if group not in facts.known_groups)
    groups = dict.fromkeys([*asserted, *sorted(facts.groups_of[user])])
    subject = Subject.of_user(user, facts.realm, groups, heard.credentials)
    return InflowDecision(subject, "caller asserted", dropped_groups=dropped)


def _is_nobody(caller: Principal | str | None) -> bool:
    if caller is None or isinstance(caller, UnauthenticatedPrincipal):
        return True
    return not (caller if isinstance(caller, str) else caller.name)


def _refused(rule: str, reason: Reason, **details: Any) -> InflowDecision:
    return InflowDecision(None, rule, reason, details)
