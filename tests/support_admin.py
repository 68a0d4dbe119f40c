"""A container, a bus and stores to administer, without the rooms below; all in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from support_activations import FakeActivation

from connector.admin.main import main
from connector.admin.operations import Stores, Target
from connector.admin.profile import Profile
from connector.container.configuration_editor import ConfigurationEditor
from connector.errors import AuthenticationFailed, ConfigError, NameNotFound, Reason
from connector.security.audit import MemoryAuditLog
from connector.security.login_outcome import ModuleResult
from connector.spi import (
    AuthenticationData,
    Explanation,
    Message,
    ProgressListener,
    Scope,
    Secret,
    SignOnPlan,
    SignOnSource,
    Step,
    Subject,
    UserPrincipal,
    Verdict,
)

MARKER = "marker-password-7f3a"
PASSWORDS = {"boss": MARKER, "monty": "look", "ops": "test", "alice": "wonder"}
ROLES = {
    "boss": frozenset({"monitor", "operator", "configurator", "administrator"}),
    "ops": frozenset({"monitor", "operator"}),
    "monty": frozenset({"monitor"}),
}

WRONG_LOGIN = Reason("CF-TEST-ADM-001", "the login of {user} failed.", "Try again.")
WRONG_NAME = Reason("CF-TEST-ADM-002", "no name {name!r}.", "Look it up.")
WRONG_SIZE = Reason("CF-TEST-ADM-004", "too small.", "Give another size.")


@dataclass
class FakeTest:
    product: str = "FakeDB"
    version: str = "1.0"
    user: str | None = None
    plan: SignOnPlan = field(default_factory=lambda: fake_plan("jdbc/ledger"))


def fake_plan(resource: str) -> SignOnPlan:
    """Signed on as `batch`, by the component alias."""
    return SignOnPlan(
        reference="ledger",
        resource=resource,
        source=SignOnSource.COMPONENT_ALIAS,
        rejected=(),
        subject=None,
        asserted=None,
        request=None,
        partition="batch",
        sharing_key="batch",
        version=1,
        user="batch",
        explanation=Explanation("sign-on of ledger", "batch", (Step("component alias", Verdict.TAKEN),)),
    )


@dataclass
class FakeOutcome:
    plain: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {"resource": "jdbc/ledger", **self.plain}


class FakePool:
    """Implements connector.admin.administered.AdministeredPool: one connection free, one lent to alice."""

    def __init__(self) -> None:
        self.purges: list[dict[str, Any]] = []
        self.sizes: tuple[int | None, int | None, int | None] | None = None
        self.suspended = False
        self.asked = 0

    def flush(self, mode: Any, **asked: Any) -> FakeOutcome:
        if not asked["dry_run"]:
            self.purges.append({"mode": mode, **asked})
        lent = {"gracefully": "on_return", "all": "ended"}.get(mode, "kept")
        counts = {"closed": 1, "on_return": 0, "ended": 0, "kept": 0, lent: 1, "asked": self.asked}
        return FakeOutcome({"mode": mode, "dry_run": asked["dry_run"], **counts})

    def resize(self, max_size: int | None, min_size: int | None, per_identity: int | None, /) -> FakeOutcome:
        if max_size == 1:
            raise ConfigError(WRONG_SIZE)
        self.sizes = (max_size, min_size, per_identity)
        limit = None if per_identity == -1 else per_identity
        sizes = {"max_size": max_size or 5, "min_size": min_size or 0, "per_identity": limit}
        return FakeOutcome({**sizes, "closed": 1, "on_return": 0})

    def suspend(self) -> FakeOutcome:
        return self._lend(suspended=True)

    def resume(self) -> FakeOutcome:
        return self._lend(suspended=False)

    def _lend(self, *, suspended: bool) -> FakeOutcome:
        changed, self.suspended = self.suspended is not suspended, suspended
        found = {"in_use": 1, "waiting": 2, "connection_timeout": 30.0}
        return FakeOutcome({"suspended": suspended, "changed": changed, **found})

    def to_dict(self, *, leaks: bool = False) -> dict[str, Any]:
        figures = {"max_size": 5, "size": 2, "free": 1, "in_use": 1, "waiting": 0, "timeouts": 0, "by_identity": {}}
        figures |= {"kind": "threads", "wait_seconds_total": 0.12345, "destroyed_for": {"purged": 4}}
        credential = {"kind": "threads", "user": "batch", "alias": "ledger", "version": 3, "age": 61.26, "doomed": None}
        lent = {
            **credential,
            "in_use": True,
            "effective_user": "alice",
            "reference": "jdbc/ledger",
            "lent_for": 42.04,
            "owner": "thread MainThread",
            "obtained": ["app.py:7 in pay", "app.py:3 in main"],
        }
        free = {**credential, "in_use": False, "effective_user": None, "reference": None, "lent_for": None}
        free |= {"owner": None, "obtained": []}
        shares = {"kind": "threads", "user": "alice", "connections": 1, "in_use": 1, "share": 0.2, "limit": 3}
        measurements = {"db.client.connection.max": [{"value": 5, "unit": "{connection}", "attributes": {}}]}
        return {
            "resource": "jdbc/ledger",
            "adapter": "sql",
            "suspended": self.suspended,
            "settings": {"max_size": 5, "aged_timeout": None, "validation": ["on-checkout"]},
            "statistics": [figures, {**figures, "kind": "loop", "size": 0, "in_use": 0}],
            "identities": [shares],
            "connections": [lent] if leaks else [free, lent],
            "measurements": measurements,
        }


@dataclass
class FakeFinding:
    severity: str
    code: str = "CF-TEST-ADM-003"
    place: str = "container"
    text: str = "something is so"
    action: str = "Change it."


class FakeBus:
    """Queues in memory; remembers who was signed on."""

    def __init__(self) -> None:
        self.queues: dict[str, list[Message]] = {}
        self.users: list[str | None] = []
        self.replies: Any = {"weatherCondition": "Sunny"}

    @contextmanager
    def connect(self, user: str | None) -> Iterator[FakeBusConnection]:
        self.users.append(user)
        yield FakeBusConnection(self, user)


class FakeBusConnection:
    def __init__(self, bus: FakeBus, user: str | None) -> None:
        self._bus = bus
        self._identity = None if user is None else UserPrincipal(user, "test")

    def send(self, destination: str, body: Any, *, topic: str | None = None, reply_to: str | None = None) -> str:
        queue = self._bus.queues.setdefault(destination, [])
        queue.append(Message(body, message_id=f"m{len(queue) + 1}", destination=destination, identity=self._identity))
        return f"m{len(queue)}"

    def receive(self, destination: str, timeout: float | None = None, *, selector: str | None = None) -> Message | None:
        queue = self._bus.queues.get(destination, [])
        return queue.pop(0) if queue else None

    def browse(self, destination: str) -> Iterable[Message]:
        return list(self._bus.queues.get(destination, []))

    def request(self, destination: str, body: Any, *, timeout: float) -> Message:
        self.send(destination, body)
        return Message(self._bus.replies, message_id="r1", correlation_id="m1")


class FakeTransactions:
    """One unit in doubt, whatever is done about it."""

    def to_list(self) -> list[dict[str, Any]]:
        return [
            {
                "unit": "cf1:till:f:1:1",
                "standing": "last-resource",
                "in_doubt": True,
                "branches": [{"branch": "cf1:till:f:1:1:1", "resource": "jdbc/ledger"}],
                "meaning": "in doubt",
                "trouble": ["jdbc/ledger: it is away"],
            }
        ]

    def recover(self) -> list[dict[str, Any]]:
        return self.to_list()

    def commit(self, unit: str) -> list[dict[str, Any]]:
        return []

    rollback = forget = commit


class FakeContainer:
    """Implements connector.admin.administered.AdministeredContainer."""

    def __init__(self, folder: Path, *, security: bool = True) -> None:
        self.name = "weather"
        self.realm = "test"
        self.security = security
        self.state_folder = folder
        self.configuration_path = folder / "connector.toml"
        self.audit = MemoryAuditLog()
        self.configuration = ConfigurationEditor(self.configuration_path)
        self.commands: list[tuple[str, str, dict[str, Any]]] = []
        self.bus = FakeBus()
        self.refreshes = 0
        self.refreshed: list[tuple[str | None, str | None]] = []
        self.ledger = FakePool()
        self.orders = FakeActivation()
        self.posture: list[FakeFinding] = []
        self.defect: Exception | None = None
        self.supposed: dict[str, ModuleResult] = {}

    def __enter__(self) -> FakeContainer:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def lookup(self, name: str) -> Any:
        if name != "jdbc/ledger":
            raise NameNotFound(WRONG_NAME, name=name)
        return self.bus

    def application(self, name: str) -> Any:
        return self

    @contextmanager
    def login(self, user: str, password: Secret) -> Iterator[Scope]:
        if PASSWORDS.get(user) != password.reveal():
            raise AuthenticationFailed(WRONG_LOGIN, user=user)
        yield Scope(Subject.of_user(user, self.realm), self.realm, self.name, "test")

    def realms_status(self) -> list[dict[str, Any]]:
        return [{"realm": "weather", "own": True, "inbound_maps": []}]

    def explain_inbound(self, user: str, foreign: str, /, *, groups: Iterable[str], realm: str | None) -> Explanation:
        return Explanation(f"who is {user}@{foreign} here?", "alice")

    def refresh_users(self, user: str | None, /, *, realm: str | None) -> None:
        self.refreshed.append((user, realm))

    def admin_roles_of(self, subject: Subject) -> frozenset[str]:
        assert subject.caller is not None
        return ROLES.get(subject.caller.name, frozenset())

    def explain(
        self, reference: str, *, caller: str | None = None, suppose: Mapping[str, ModuleResult] | None = None
    ) -> Explanation:
        if self.defect is not None:
            raise self.defect
        self.supposed = dict(suppose or {})
        inner = Step("module table", Verdict.TAKEN, "alias ledger")
        steps = (Step("component alias", Verdict.REJECTED, "none"), Step("login", Verdict.TAKEN, steps=(inner,)))
        return Explanation(f"sign-on of {reference} for {caller}", "ledger", steps)

    def test_connection(self, reference: str, *, caller: str | None = None, password: Secret | None = None) -> FakeTest:
        return FakeTest(user=caller)

    def pool(self, reference: str) -> FakePool:
        if reference not in {"jdbc/ledger", "orders:jdbc/ledger"}:
            raise NameNotFound(WRONG_NAME, name=reference)
        return self.ledger

    def pools(self) -> tuple[FakePool, ...]:
        return (self.ledger,)

    def activation(self, name: str) -> FakeActivation:
        if name != "orders:jms/in":
            raise NameNotFound(WRONG_NAME, name=name)
        return self.orders

    def activations(self) -> tuple[FakeActivation, ...]:
        return (self.orders,)

    @property
    def transactions(self) -> FakeTransactions:
        return FakeTransactions()

    def update_auth_data(self) -> frozenset[str]:
        self.refreshes += 1
        return frozenset({"ledger"})

    def plugins(self) -> tuple[Any, ...]:
        return ()

    def findings(self) -> tuple[FakeFinding, ...]:
        return tuple(self.posture)

    def status(self) -> Mapping[str, Any]:
        return {"name": self.name, "adapters": ["bus", "sql"], "resources": {"jdbc/ledger": {"adapter": "sql"}}}

    def bus_command(self, bus: str, command: str, arguments: Mapping[str, Any]) -> Any:
        self.commands.append((bus, command, dict(arguments)))
        return {"bus": bus, "messages": []}

    @contextmanager
    def bus_connection(
        self, bus: str, user: str | None = None, password: Secret | None = None
    ) -> Iterator[FakeBusConnection]:
        if user is not None and (password is None or PASSWORDS.get(user) != password.reveal()):
            raise AuthenticationFailed(WRONG_LOGIN, user=user)
        with self.bus.connect(user) as connection:
            yield connection


class FakeRegistry:
    """Implements connector.spi.WritableUserRegistry."""

    realm = "test"

    def __init__(self) -> None:
        self.passwords: dict[str, Secret] = {"alice": Secret("wonder")}
        self.members: dict[str, frozenset[str]] = {"alice": frozenset({"clients"})}

    def check_password(self, user: str, password: Secret) -> bool:
        return self.passwords.get(user) == password

    def user_exists(self, user: str) -> bool:
        return user in self.passwords

    def group_exists(self, group: str) -> bool:
        return True

    def groups_of(self, user: str) -> frozenset[str]:
        return self.members.get(user, frozenset())

    def unique_name(self, user: str) -> str:
        return user

    def users(self) -> list[str]:
        return sorted(self.passwords)

    def groups(self) -> list[str]:
        return []

    def add_user(self, user: str, password: Secret, groups: Iterable[str] = ()) -> None:
        self.passwords[user], self.members[user] = password, frozenset(groups)

    def remove_user(self, user: str) -> bool:
        return self.passwords.pop(user, None) is not None

    def set_password(self, user: str, password: Secret) -> None:
        self.passwords[user] = password

    def set_groups(self, user: str, groups: Iterable[str]) -> None:
        self.members[user] = frozenset(groups)


class ReadOnlyRegistry:
    """A registry that knows users and changes none."""

    realm = "test"

    def users(self) -> list[str]:
        return ["alice"]

    def groups_of(self, user: str) -> frozenset[str]:
        return frozenset()


class FakeStore:
    """Implements connector.spi.AuthenticationDataStore."""

    def __init__(self, *, read_only: bool = False) -> None:
        self.read_only = read_only
        self.entries: dict[str, AuthenticationData] = {}

    def load(self) -> Mapping[str, AuthenticationData]:
        return dict(self.entries)

    def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
        before = self.entries.get(alias)
        version = 1 if before is None else before.version + 1
        self.entries[alias] = AuthenticationData(alias, user, password, description, version)
        return self.entries[alias]

    def remove(self, alias: str) -> bool:
        return self.entries.pop(alias, None) is not None

    def rotate_key(self, report: ProgressListener | None = None) -> int:
        return len(self.entries)


class AdminWorld:
    """A fake container with fake stores, and the profile that leads to them."""

    def __init__(self, folder: Path, *, security: bool = True) -> None:
        self.container = FakeContainer(folder, security=security)
        self.registry: Any = FakeRegistry()
        self.store = FakeStore()
        self.stores = Stores("test", lambda: self.registry, lambda: self.store)
        self.target = Target(self.stores, self.container)
        self.profile = Profile(folder / "connector.toml", "weather", folder, security, self.stores)


class Commands:
    """Runs `connector …` in process; what it prints goes to standard output and error, apart."""

    def __init__(self, world: AdminWorld, opened: list[Path], audit: MemoryAuditLog) -> None:
        self.world = world
        #: The configurations that a container was opened for.
        self.opened = opened
        #: What commands that work on the files alone record.
        self.audit = audit

    def __call__(self, *arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(main, arguments, input=stdin)

    def json(self, *arguments: str, stdin: str = "") -> Any:
        result = self("--json", *arguments, stdin=stdin)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)
