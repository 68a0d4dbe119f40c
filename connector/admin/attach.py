"""The admin endpoint of a container: its socket and, by choice, its TLS port and its naming port, opened and
closed together (CONF-6, CONF-7).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, final

from connector.admin.dispatch import Dispatcher
from connector.admin.endpoint import AdminEndpoint
from connector.admin.operations import Target
from connector.admin.profile import Profile

if TYPE_CHECKING:
    from connector.container.container import Container


@final
class Administration:
    """Makes a container administrable: `Container.open(path, attach=Administration(profile))`.

    Args:
        profile: The profile that the container is opened from.
        stop: Asks for the container to be stopped, for `connector stop`; must not block. None where that is not for
            commands to do.

    Attributes:
        socket: Where the socket is, once it is attached.
        port: `HOST:PORT` of the TLS port; None without one.
        naming: `HOST:PORT` of the naming port; None without one.
    """

    def __init__(self, profile: Profile, stop: Callable[[], None] | None = None) -> None:
        self._profile = profile
        self._stop = stop
        self.socket: Path | None = None
        self.port: str | None = None
        self.naming: str | None = None

    def __call__(self, container: Container) -> ExitStack:
        """Open the endpoint of a container that is ready; what is answered closes it.

        Raises OSError, ConfigError and ConnectionFailed where it can't be opened.
        """
        # Its own store, which has its key already: another one would ask for the passphrase again.
        stores = replace(self._profile.stores, open_auth_data=lambda: container.auth_data_store)
        dispatcher = Dispatcher(Target(stores, container, stop=self._stop), container.audit)
        with ExitStack() as stack:
            endpoint = stack.enter_context(closing(AdminEndpoint(container.state_folder, dispatcher)))
            self.socket = endpoint.path
            wanted = container.admin_port
            if wanted is not None:
                from connector.admin.tls_endpoint import AdminTlsEndpoint  # TLS is not for every container to load

                port = AdminTlsEndpoint(wanted.host, wanted.port, wanted.tls, dispatcher)
                stack.enter_context(closing(port))
                self.port = f"{port.host}:{port.port}"
            asked = container.naming_port
            if asked is not None:
                from connector.admin.naming.answering import NamingAnswerer
                from connector.admin.naming.port import NamingEndpoint

                naming = NamingEndpoint(asked, NamingAnswerer(container, asked))
                stack.enter_context(closing(naming))
                self.naming = f"{naming.host}:{naming.port}"
            return stack.pop_all()
