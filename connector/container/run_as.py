"""Which subject a handler's `run_as` is: an alias's user, proved by its password, or a role's one user (FLOW-6)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, final

from connector.container.configuration.activation_checks import ALIAS, run_as_parts
from connector.container.deployment import PlannedHandler
from connector.endpoint.run_as import RunAs
from connector.security.authdata import AuthDataService
from connector.spi import IdentityService, Subject

if TYPE_CHECKING:
    from connector.container.parts import Parts


@final
class AliasSubject:
    """The subject of an alias's user. Its password is checked once for each version of the alias; its groups are asked
    for each time, so that a change of them counts at once. Safe to use from any thread.

    Args:
        alias: The alias.
        auth_data: The authentication data.
        identity: Of the application's realm.
    """

    # Mutable: `_proved`, the version whose password was right, set under `_lock`: a check takes 50 to 400 ms, and one
    # is enough.

    def __init__(self, alias: str, auth_data: AuthDataService, identity: IdentityService) -> None:
        self._alias = alias
        self._auth_data = auth_data
        self._identity = identity
        self._lock = threading.Lock()
        self._proved: int | None = None

    def __call__(self) -> Subject:
        """The subject. May block for the registry. Raises AuthDataError, AuthenticationFailed."""
        data = self._auth_data.require(self._alias)
        if self._proved == data.version:
            return self._identity.assert_user(data.user)
        with self._lock:
            subject = self._identity.authenticate(data.user, data.password)
            self._proved = data.version
            return subject


def run_as_of(parts: Parts, application: str, handler: PlannedHandler) -> RunAs | None:
    """What a handler's outbound work runs as; None where it is the caller."""
    run_as = handler.section.run_as
    if run_as is None:
        return None
    kind, name = run_as_parts(run_as)
    realm = parts.applications[application].realm
    identity = parts.realms[realm]
    container = parts.label
    origin = f"run-as of {application}:{handler.activation}, {kind} {name}"
    if kind == ALIAS:
        proved = AliasSubject(name, parts.auth_data, identity)
        return RunAs(proved, realm=realm, container=container, origin=origin)
    user = parts.configuration.applications[application].roles[name].users[0]

    def of_the_role() -> Subject:
        return identity.assert_user(user)

    return RunAs(of_the_role, realm=realm, container=container, origin=origin)
