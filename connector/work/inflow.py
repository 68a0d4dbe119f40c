"""The decision who a work runs as, from what its security context said: one pure function (FLOW-3).

Theory of operation
-------------------
A security context speaks by callbacks, in any order and over several calls, or it fills the execution subject with a
*ready subject*.  `inflow_handler` collects what was said; when the set-up is over, `decide_inflow` looks at all of it
at once.  So the order can't matter, and a subject exists only after everything was found right: a failed set-up leaves
nothing behind because there was nothing yet.

The rows are tried from the top; the first that fits decides (docs/inflow.md says the same for deployers)::

    passwords          placed principals   caller callbacks             outcome
    -----------------  ------------------  ---------------------------  ------------------------------------------
    one was wrong      any                 any                          refused: wrong password
    one not decidable  any                 any                          refused for now: the registry is away
    any                some                any callback at all          refused: ready subject plus callbacks
    none               two callers         none                         refused: ready subject of two callers
    none               no caller           none                         unauthenticated
    none               unauthenticated     none                         unauthenticated
    none               realm not trusted   none                         refused: untrusted realm
    none               own, trusted realm  none                         that caller, its groups, its credentials
    any                none                two or more                  refused: two callers
    right              none                none                         refused: password without caller
    right              none                of a realm with a map        refused: password of a foreign caller
    right              none                another than the user        refused: caller is not the password's user
    none               none                none, null or empty name     unauthenticated
    none               none                a group, the server          refused: not a user
    none               none                of a foreign realm, no map   refused: foreign realm (trust serves ready
                                                                        subjects only)
    none               none                of a realm with a map,       refused: unmapped caller; unauthenticated
                                           without an entry             where the map says so
    none               none                mapped to a user unknown     refused: unknown target
    none               none                mapped to a known user       that user, registry's groups united with the
                                                                        mapped and known ones of the callbacks, none of
                                                                        the foreign caller's credentials
    any                none                unknown to the realm         refused: unknown user
    any                none                known to the realm           caller, registry's groups united with the
                                                                        known ones of the callbacks, credentials

Groups that the realm doesn't know, that a map has no entry for, and groups of another realm than the caller's, are
dropped and reported.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from connector.errors import Reason
from connector.security.inbound_map import InboundMap, Unmapped
from connector.spi import (
    GroupPrincipal,
    Principal,
    ServerPrincipal,
    Subject,
    UnauthenticatedPrincipal,
    UserPrincipal,
)
from connector.work.inflow_facts import Heard, InflowDecision, RealmFacts
from connector.work.inflow_reasons import (
    CALLER_NOT_PASSWORD_USER,
    FOREIGN_REALM,
    NOT_A_USER,
    NOT_ASKED,
    PASSWORD_OF_FOREIGNER,
    PASSWORD_WITHOUT_CALLER,
    READY_SUBJECT_OF_TWO,
    READY_SUBJECT_PLUS_CALLBACKS,
    TARGET_UNKNOWN,
    TWO_CALLERS,
    UNKNOWN_USER,
    UNMAPPED,
    UNTRUSTED_REALM,
    WRONG_PASSWORD,
)

#: What a caller callback may hold besides users.
_NO_USER = (GroupPrincipal, ServerPrincipal, UnauthenticatedPrincipal)

#: The subject of every work without a caller; read-only, so one is enough.
NOBODY = Subject.unauthenticated()


def decide_inflow(heard: Heard, facts: RealmFacts) -> InflowDecision:
    """The table above. Pure: does not block, raises nothing, safe from any thread (FLOW-3)."""
    wrong = next((user for user, right in heard.passwords if not right), None)
    if wrong is not None:
        return _refused("wrong password", WRONG_PASSWORD, user=wrong, realm=facts.realm)
    if heard.undecided is not None:
        user, cause = heard.undecided
        return _refused("the registry can't be asked", NOT_ASKED, user=user, cause=cause)
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


def foreign_user(caller: Principal | str | None, realm: str) -> Principal | None:
    """The user of a foreign realm that a caller callback names; None for nobody, our own users and non-users."""
    if caller is None or isinstance(caller, (str, *_NO_USER)):
        return None
    return caller if caller.name and caller.realm != realm else None


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
    user, foreigner = named_user(caller, facts.realm), foreign_user(caller, facts.realm)
    inbound = None if foreigner is None else facts.maps.get(foreigner.realm)
    other = next((name for name, _ in heard.passwords if name != user), None)
    if other is not None and foreigner is not None and inbound is not None:
        where = {"found": foreigner.realm, "realm": facts.realm}
        return _refused("password of a foreign caller", PASSWORD_OF_FOREIGNER, caller=str(caller), **where)
    if other is not None:
        text = "nobody" if _is_nobody(caller) else str(caller)
        return _refused("caller is not the password's user", CALLER_NOT_PASSWORD_USER, caller=text, user=other)
    if _is_nobody(caller):
        return InflowDecision(NOBODY, "null caller", dropped_groups=heard.groups)
    if isinstance(caller, GroupPrincipal | ServerPrincipal):
        return _refused("not a user", NOT_A_USER, caller=str(caller), kind=type(caller).__name__)
    if foreigner is not None and inbound is not None:
        return _translated(foreigner, inbound, heard, facts)
    if user is None:
        found = "" if foreigner is None else foreigner.realm
        return _refused("foreign realm", FOREIGN_REALM, caller=str(caller), found=found, realm=facts.realm)
    if user not in facts.groups_of:
        return _refused("unknown user", UNKNOWN_USER, user=user, realm=facts.realm)
    asserted = [group for group in dict.fromkeys(heard.groups) if group in facts.known_groups]
    dropped = tuple(group for group in dict.fromkeys(heard.groups) if group not in facts.known_groups)
    groups = dict.fromkeys([*asserted, *sorted(facts.groups_of[user])])
    subject = Subject.of_user(user, facts.realm, groups, heard.credentials)
    return InflowDecision(subject, "caller asserted", dropped_groups=dropped)


def _translated(caller: Principal, inbound: InboundMap, heard: Heard, facts: RealmFacts) -> InflowDecision:
    """A caller of a realm that has an inbound map: the last rows but two of the table."""
    named = tuple(dict.fromkeys(heard.groups))
    steps = (inbound.user_step(caller.name), *(inbound.group_step(group) for group in named))
    user = inbound.user_for(caller.name)
    where: dict[str, Any] = {"caller": str(caller), "found": caller.realm, "realm": facts.realm}
    if user is None and inbound.unmapped is Unmapped.UNAUTHENTICATED:
        rule = f"unmapped caller of realm {caller.realm}, unauthenticated by setting"
        return InflowDecision(NOBODY, rule, dropped_groups=named, translation=steps, downgraded=True)
    if user is None:
        return replace(_refused("unmapped caller", UNMAPPED, **where), translation=steps)
    if user not in facts.groups_of:
        return replace(_refused("unknown target of the map", TARGET_UNKNOWN, user=user, **where), translation=steps)
    mapped = {group: inbound.group_for(group) for group in named}
    groups = [ours for ours in mapped.values() if ours is not None and ours in facts.known_groups]
    dropped = tuple(group for group, ours in mapped.items() if ours is None or ours not in facts.known_groups)
    # Not the credentials: they are the foreign caller's, and the subject is somebody else.
    subject = Subject.of_user(user, facts.realm, dict.fromkeys([*groups, *sorted(facts.groups_of[user])]))
    rule = f"caller of realm {caller.realm} translated"
    return InflowDecision(subject, rule, dropped_groups=dropped, translation=steps)


def _is_nobody(caller: Principal | str | None) -> bool:
    if caller is None or isinstance(caller, UnauthenticatedPrincipal):
        return True
    return not (caller if isinstance(caller, str) else caller.name)


def _refused(rule: str, reason: Reason, **details: Any) -> InflowDecision:
    return InflowDecision(None, rule, reason, details)
