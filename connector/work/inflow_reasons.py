"""Why no execution subject can be established: the refusals of the table in `inflow` (FLOW-3)."""

from __future__ import annotations

from connector.errors import Reason

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
    "Translate its callers by [realms.{realm}.inbound_maps.{found}], or have the adapter hand over a ready subject of "
    "a trusted realm.",
)
UNKNOWN_USER = Reason(
    "CF-WORK-029",
    "the caller {user!r} is not known to realm {realm!r}.",
    "Add the user to the realm (`connector users add {user}`), or correct the sender.",
)
NOT_ASKED = Reason(
    "CF-WORK-031",
    "the password of user {user!r} could not be checked: {cause}.",
    "It says nothing about the password, and is not kept: have the work submitted again once the registry answers.",
)
PASSWORD_OF_FOREIGNER = Reason(
    "CF-WORK-032",
    "the security context validated a password for {caller}, a caller of realm {found!r} who is translated.",
    "Passwords are checked in realm {realm!r} only: the adapter must name a foreign caller without a password.",
)
UNMAPPED = Reason(
    "CF-WORK-033",
    "the inbound map of realm {found!r} has no entry for {caller}.",
    "Add it to [realms.{realm}.inbound_maps.{found}.users], or see that the external system sends nobody else.",
)
TARGET_UNKNOWN = Reason(
    "CF-WORK-034",
    "the inbound map of realm {found!r} makes {caller} the user {user!r}, who is not known to realm {realm!r}.",
    "Add the user to the realm, or correct the map; `connector check` lists all such entries.",
)
REALM_UNKNOWN = Reason(
    "CF-WORK-035",
    "the security context wants to be decided in realm {found!r}, which this container does not have.",
    "The adapter must name the realm of the activation that it delivers for. This container has: {known}.",
)
