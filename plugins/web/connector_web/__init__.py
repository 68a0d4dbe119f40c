"""The caller of a web request: ASGI and WSGI middleware that puts it in force, so that the circle begins in the web.

An application wraps itself in `AsgiIdentity` or `WsgiIdentity` with its running container and the sources of identity
that count: HTTP basic, bearer tokens, client certificates, callers who are established already (FLOW-3, FLOW-4).
Needs no web framework; bearer tokens need the extra `web` (joserfc).
"""

from connector_web.asgi import AsgiIdentity
from connector_web.basic import basic
from connector_web.bearer import bearer
from connector_web.certificate import TrustedProxy, certificate, common_name
from connector_web.container import IdentityContainer
from connector_web.established import established
from connector_web.proof import Caller, Source
from connector_web.wsgi import WsgiIdentity

__all__ = [
    "AsgiIdentity",
    "WsgiIdentity",
    "basic",
    "bearer",
    "certificate",
    "established",
    "common_name",
    "TrustedProxy",
    "Caller",
    "Source",
    "IdentityContainer",
]
