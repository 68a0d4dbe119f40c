"""The command line in process, on the profile of a shop: on its files, or on the container that runs on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from support_container import ProfileFolder

from connector import Container
from connector.admin.dispatch import Dispatcher
from connector.admin.endpoint import AdminEndpoint
from connector.admin.main import main
from connector.admin.operations import Target
from connector.admin.profile import load_profile

#: Who holds which admin role, beside `admin`, the administrator.
ADMIN_ROLES = """
[admin]
monitor = ["user:carol"]
operator = ["user:bob"]
configurator = ["user:alice"]
administrator = ["user:admin"]
"""


class Shop:
    """The profile, and `connector …` on it as its owner or, where the container runs, as one of its users."""

    def __init__(self, profile: ProfileFolder) -> None:
        self.profile = profile
        profile.edit('[admin]\nadministrator = ["user:admin"]', ADMIN_ROLES.strip())
        self.password_file = profile.folder / "password"
        self.password_file.write_text(profile.password.reveal())
        self.container: Container | None = None
        self.login: str | None = None

    def __call__(self, *arguments: str, login: str | None = None, stdin: str | None = None) -> Result:
        user = login or self.login
        asked = () if user is None else ("--login", user, "--login-password-file", str(self.password_file))
        return CliRunner().invoke(main, ["-c", str(self.profile.configuration), *asked, *arguments], input=stdin)

    def json(self, *arguments: str, login: str | None = None) -> Any:
        """What a command answers to a program; it must succeed."""
        result = self("--json", *arguments, login=login)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def refused(self, *arguments: str, login: str | None = None, exit_code: int = 1) -> str:
        """The code with which a command is refused."""
        result = self("--json", *arguments, login=login)
        assert result.exit_code == exit_code, result.output
        return str(json.loads(result.stdout)["error"]["code"])

    @contextmanager
    def running(self, login: str = "admin") -> Iterator[Container]:
        """The container runs with its admin endpoint; commands ask it as `login`."""

        def attach(container: Container) -> AdminEndpoint:
            stores = load_profile(self.profile.configuration).stores
            return AdminEndpoint(container.state_folder, Dispatcher(Target(stores, container), container.audit))

        with Container.open(self.profile.configuration, attach=attach) as container:
            self.container, self.login = container, login
            try:
                yield container
            finally:
                self.container, self.login = None, None

    @property
    def text(self) -> str:
        """The configuration file."""
        return self.profile.configuration.read_text()

    @property
    def audited(self) -> list[dict[str, Any]]:
        """The audit log."""
        lines = (Path(self.profile.folder) / "state" / "audit.log").read_text().splitlines()
        return [json.loads(line) for line in lines]
