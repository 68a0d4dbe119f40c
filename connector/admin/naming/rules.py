"""What a look-up from outside needs, as one pure decision (CONF-6).

==========  ========================================  =============================================
demand      encryption                                login
==========  ========================================  =============================================
off         TLS is not spoken                         a login is not looked at
supported   the client decides                        the client decides; a wrong one is refused
required    plain TCP is refused, before the login    a look-up without login is refused
==========  ========================================  =============================================

A login that came in the clear where TLS is spoken is refused as well, whoever it is: the client is to learn that its
password went over the network.
"""

from __future__ import annotations

from connector.container.configuration.settings import Demand
from connector.errors import AccessDenied, AuthenticationFailed, Reason

TLS_NEEDED = Reason(
    "CF-NAM-001",
    "the naming port of the container {container} takes TLS connections only, and this look-up came in the clear.",
    "Name a TLS configuration: connector config set naming.provider.tls node-default, or --server-trust FILE.",
)
LOGIN_NEEDED = Reason(
    "CF-NAM-002",
    "the container {container} has administrative security on, and this look-up came without a login.",
    "Give one: connector auth-data set look-up --user USER, and connector config set naming.provider.alias look-up; or "
    "--login USER.",
)
LOGIN_IN_THE_CLEAR = Reason(
    "CF-NAM-003",
    "the login of this look-up came in the clear, though the naming port of the container {container} speaks TLS.",
    "Name a TLS configuration, as for CF-NAM-001; consider the password known to others.",
)


def check_look_up(container: str, encryption: Demand, login: Demand, *, encrypted: bool, has_login: bool) -> bool:
    """Whether the login is to be checked; else the look-up is anybody's. Pure.

    Raises AccessDenied CF-NAM-001 or -003, AuthenticationFailed CF-NAM-002.
    """
    if not encrypted and encryption is Demand.REQUIRED:
        raise AccessDenied(TLS_NEEDED, container=container)
    if login is Demand.OFF:
        return False
    if has_login and not encrypted and encryption is Demand.SUPPORTED:
        raise AccessDenied(LOGIN_IN_THE_CLEAR, container=container)
    if not has_login and login is Demand.REQUIRED:
        raise AuthenticationFailed(LOGIN_NEEDED, container=container)
    return has_login
