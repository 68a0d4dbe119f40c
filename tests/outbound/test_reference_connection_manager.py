"""A reference's way to connections: whose plan, made when, and refused when."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import copy_context

import pytest
from support_secrets import shows_marker
from support_signon import (
    ALICE,
    BOB,
    AuthData,
    LentByPlan,
    PlanPool,
    application,
    call,
    calling,
    container_managed,
    own_user,
    resolver,
    target,
    user_of,
)

from connector.errors import (
    AccessDenied,
    ConfigError,
    ConnectionFailed,
    ConnectorError,
    IdentityMismatch,
    LoginRefused,
    PoolTimeout,
    Reason,
    ScopeError,
    SignOnError,
)
from connector.outbound.manager import ReferenceConnectionManager
from connector.security.audit import MemoryAuditLog
from connector.security.login_configuration import LoginConfiguration
from connector.security.scope import capture, no_scope, open_scope
from connector.signon.reference import ResourceReference, SignOnTarget
from connector.spi import (
    BASIC_PASSWORD,
    Dependency,
    Lease,
    Outcome,
    PasswordCredential,
    Secret,
    SignOnPlan,
    Subject,
)


def _manager(
    reference: ResourceReference,
    *configurations: LoginConfiguration,
    auth_data: AuthData | None = None,
    resource: SignOnTarget | None = None,
    audit: MemoryAuditLog | None = None,
) -> ReferenceConnectionManager:
    data = auth_data or AuthData(ledger="door", trusted="door")
    return ReferenceConnectionManager(
        reference, resource or target(), resolver(data, *configurations, audit=audit), PlanPool(), data
    )


def _login(subject: Subject) -> open_scope:
    return open_scope(subject, realm="weather", container="test", origin="login of a test")


def _as(subject: Subject, manager: ReferenceConnectionManager) -> SignOnPlan:
    with _login(subject):
        return manager.current_plan()


def test_each_caller_is_lent_a_connection_of_the_own_identity() -> None:
    manager = _manager(container_managed("Mapping"), calling(own_user))

    for subject, user in ((ALICE, "alice"), (BOB, "bob"), (ALICE, "alice")):
        with _login(subject), manager.allocate() as lease:
            assert user_of(lease.plan) == user


@pytest.mark.parametrize(
    ("dependencies", "times_asked"),
    [
        ({Dependency.ALIAS}, 1),
        ({Dependency.CALLER}, 3),
        ({Dependency.CALLER, Dependency.GROUPS}, 4),
        ({Dependency.CREDENTIALS, Dependency.CALLER}, 8),
        ({Dependency.REQUEST}, 8),
        ({Dependency.TIME}, 8),
        (set(), 8),
    ],
    ids=["alias", "caller", "groups", "credentials", "request", "time", "undeclared"],
)
def test_a_module_is_asked_as_often_as_what_it_depends_on_changes(
    dependencies: set[Dependency], times_asked: int
) -> None:
    asked: list[Subject | None] = []
    same_for_all = calling(
        lambda module: [PasswordCredential("u", Secret("p"), module.factory)],
        asked=asked,
        depends_on=frozenset(dependencies),
    )
    manager = _manager(container_managed("Mapping"), same_for_all)
    promoted = Subject.of_user("alice", "weather", ["auditors"])

    for _ in range(2):
        for caller in (ALICE, BOB, promoted):
            _as(caller, manager)
        manager.current_plan()

    assert len(asked) == times_asked


def test_a_caller_with_equal_name_of_another_realm_never_gets_the_kept_plan() -> None:
    manager = _manager(container_managed("TrustedConnectionMapping", alias="trusted"))

    ours, theirs = _as(ALICE, manager), _as(Subject.of_user("alice", "partners", ["clerks"]), manager)

    assert ours is _as(ALICE, manager)
    assert theirs is not ours
    assert theirs.sharing_key != ours.sharing_key


def test_changed_authentication_data_make_every_kept_plan_stale() -> None:
    auth_data = AuthData(ledger="door")
    manager = _manager(container_managed(alias="ledger"), auth_data=auth_data)
    before = manager.current_plan()
    assert manager.current_plan() is before

    auth_data.put("ledger", "gate", version=4)

    assert (user_of(manager.current_plan()), manager.current_plan().version) == ("gate", 4)


def test_a_refusal_is_not_kept() -> None:
    auth_data = AuthData()
    manager = _manager(container_managed(alias="ledger"), auth_data=auth_data)
    with pytest.raises(SignOnError):
        manager.allocate()

    auth_data.put("ledger", "door", version=1)

    assert user_of(manager.allocate().plan) == "door"


def test_a_kept_plan_is_audited_once() -> None:
    audit = MemoryAuditLog()
    manager = _manager(container_managed(alias="ledger"), audit=audit)

    for _ in range(3):
        manager.allocate().close()

    assert len(audit.events) == 1


REFUSED = Reason("CF-TEST-090", "the system of {resource} refused it.", "")


class RefusingPool:
    """A pool that raises for every plan that is older than `good`."""

    def __init__(self, error: type[ConnectorError], *, good: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        self.tried: list[int] = []
        self._error, self._good, self._meanwhile = error, good, meanwhile

    def take(self, plan: SignOnPlan) -> Lease:
        self.tried.append(plan.version)
        self._meanwhile()
        if plan.version < self._good:
            raise self._error(REFUSED, resource=plan.resource)
        return LentByPlan(plan)

    def forgive(self, plan: SignOnPlan) -> None: ...


NEVER = 99


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (LoginRefused, Outcome.DENIED),
        (AccessDenied, Outcome.DENIED),
        (IdentityMismatch, Outcome.DENIED),
        (SignOnError, Outcome.DENIED),
        (ConfigError, Outcome.FAILURE),
        (ConnectionFailed, None),
        (PoolTimeout, None),
    ],
)
def test_a_connection_that_is_refused_is_explained_and_audited(
    error: type[ConnectorError], outcome: Outcome | None
) -> None:
    audit, data = MemoryAuditLog(), AuthData(trusted="door")
    reference = container_managed("TrustedConnectionMapping", alias="trusted")
    one, pool = resolver(data, audit=audit), RefusingPool(error, good=NEVER)
    manager = ReferenceConnectionManager(reference, target(), one, pool, data)

    with _login(ALICE), pytest.raises(error) as refused:
        manager.allocate()

    assert refused.value.explanation == manager.explain(caller=ALICE).in_short()
    assert [event.outcome for event in audit.events[1:]] == ([outcome] if outcome is not None else [])
    for event in audit.events[1:]:
        assert (event.action, event.who, event.resource) == ("connect", "alice@weather", "jdbc/ledger")
        assert event.reason == REFUSED.code
        assert event.details["explanation"]["answer"] == refused.value.explanation.answer


def test_what_sign_on_itself_refuses_is_audited_once() -> None:
    audit = MemoryAuditLog()
    manager = _manager(container_managed(alias="gone"), audit=audit)

    with pytest.raises(SignOnError):
        manager.allocate()

    assert [event.action for event in audit.events] == ["sign-on"]


def test_an_identity_that_is_over_is_audited_by_the_name_of_who_has_left() -> None:
    audit = MemoryAuditLog()
    manager = _manager(container_managed(alias="ledger"), audit=audit)
    with _login(ALICE):
        leftover = copy_context()

    with pytest.raises(ScopeError):
        leftover.run(manager.allocate)

    assert [(event.who, event.outcome, event.reason) for event in audit.events] == [
        ("alice@weather", Outcome.DENIED, "CF-SEC-001")
    ]


def test_who_waited_while_the_credential_was_superseded_signs_on_with_the_newest() -> None:
    data = AuthData(trusted="door")

    def rotate() -> None:
        if pool.tried == [3]:
            data.put("trusted", "door", version=4)

    pool = RefusingPool(LoginRefused, good=4, meanwhile=rotate)
    reference = container_managed("TrustedConnectionMapping", alias="trusted")
    manager = ReferenceConnectionManager(reference, target(), resolver(data), pool, data)

    with _login(ALICE):
        lease = manager.allocate()

    assert (lease.plan.version, lease.plan.effective_user) == (4, "alice")
    assert pool.tried == [3, 4]


def test_a_refused_credential_that_is_still_the_newest_is_not_tried_again() -> None:
    data, pool = AuthData(ledger="door"), RefusingPool(LoginRefused, good=NEVER)
    manager = ReferenceConnectionManager(container_managed(alias="ledger"), target(), resolver(data), pool, data)

    with pytest.raises(LoginRefused):
        manager.allocate()

    assert pool.tried == [3]


def test_requests_of_different_properties_have_plans_of_their_own() -> None:
    manager = _manager(container_managed(alias="ledger"))

    plain, north, south = (manager.current_plan(request) for request in (None, call(r="north"), call(r="south")))

    assert len({plain.partition, north.partition, south.partition}) == 3
    assert manager.current_plan(call(r="north")) is north


def test_credentials_in_the_call_are_never_kept_for_others() -> None:
    manager = _manager(application())

    carol = manager.current_plan(call("carol", "c"))

    assert user_of(carol) == "carol"
    assert manager.current_plan().subject is None
    assert user_of(manager.current_plan(call("dave", "d"))) == "dave"


@pytest.mark.parametrize("reference", [application(), container_managed(alias="ledger")])
def test_a_task_whose_scope_has_ended_is_refused(reference: ResourceReference) -> None:
    manager = _manager(reference)

    async def leave_one_behind() -> asyncio.Task[object]:
        may_go_on = asyncio.Event()

        async def leftover() -> object:
            await may_go_on.wait()
            return manager.allocate()

        with _login(ALICE):
            kept = manager.current_plan()
            task: asyncio.Task[object] = asyncio.create_task(leftover())
            by_plan = asyncio.create_task(_again(manager, kept, may_go_on))
            await asyncio.sleep(0)
        may_go_on.set()
        await asyncio.wait([task, by_plan])
        assert isinstance(by_plan.exception(), ScopeError)
        return task

    task = asyncio.run(leave_one_behind())

    assert isinstance(task.exception(), ScopeError)


async def _again(manager: ReferenceConnectionManager, plan: SignOnPlan, may_go_on: asyncio.Event) -> object:
    await may_go_on.wait()
    return manager.allocate(plan=plan)


def test_another_thread_has_no_caller_unless_it_is_carried_there() -> None:
    manager = _manager(container_managed("TrustedConnectionMapping", alias="trusted"))
    outcomes: list[str | None] = []

    def work() -> None:
        try:
            outcomes.append(manager.current_plan().effective_user)
        except SignOnError as refused:
            outcomes.append(refused.code)

    with _login(ALICE):
        carried = capture()
        for function in (work, lambda: carried.run(work)):
            thread = threading.Thread(target=function)
            thread.start()
            thread.join()

    assert outcomes == ["CF-SIGN-011", "alice"]


def test_hiding_the_identity_hides_it_from_sign_on() -> None:
    manager = _manager(container_managed("Mapping"), calling(own_user))

    with _login(ALICE), no_scope(), pytest.raises(SignOnError, match="no caller"):
        manager.allocate()


def test_two_references_over_one_resource_may_differ_in_everything() -> None:
    auth_data = AuthData(batch="batch-user", ledger="door", north="n", south="s")
    resource = target(component_alias="batch")
    pool = PlanPool()

    def mapped(module: object) -> list[object]:
        return []

    one = resolver(auth_data, calling(mapped))
    managers = {
        reference.name: ReferenceConnectionManager(reference, resource, one, pool, auth_data)
        for reference in (
            ResourceReference("app", "jdbc/ledger", application().res_auth),
            container_managed(alias="north", name="north"),
            container_managed(alias="south", name="south"),
            container_managed("TrustedConnectionMapping", alias="ledger", name="trusted", unauthenticated_user="guest"),
        )
    }

    with _login(ALICE):
        plans = {name: manager.allocate().plan for name, manager in managers.items()}

    assert {name: plan.effective_user for name, plan in plans.items()} == {
        "app": "batch-user",
        "north": "n",
        "south": "s",
        "trusted": "alice",
    }
    assert len({plan.partition for plan in plans.values()}) == 4
    assert managers["trusted"].current_plan().effective_user == "guest"
    assert pool.taken == list(plans.values())


def test_an_open_handle_goes_on_by_its_own_plan_whoever_calls_now() -> None:
    manager = _manager(container_managed("TrustedConnectionMapping", alias="trusted"))
    alices = _as(ALICE, manager)

    with _login(BOB):
        assert manager.allocate(plan=alices).plan is alices


def test_a_superseded_plan_is_refused_but_not_for_the_change_of_another_alias() -> None:
    auth_data = AuthData(trusted="door", other="o")
    manager = _manager(container_managed("TrustedConnectionMapping", alias="trusted"), auth_data=auth_data)
    plan = _as(ALICE, manager)

    auth_data.put("other", "o", version=4)
    assert manager.allocate(plan=plan).plan is plan

    auth_data.put("trusted", "door", version=4)
    with pytest.raises(IdentityMismatch, match=r"'alice'.*'trusted' has changed") as refused:
        manager.allocate(plan=plan)
    assert refused.value.code == "CF-OUT-002"
    assert not shows_marker(refused.value)


def test_the_plan_of_another_reference_is_refused() -> None:
    mine, other = _manager(container_managed(alias="ledger")), _manager(container_managed(alias="ledger", name="x"))

    with pytest.raises(IdentityMismatch) as refused:
        mine.allocate(plan=other.current_plan())

    assert refused.value.code == "CF-OUT-001"


def test_explain_speaks_for_the_current_caller_a_name_or_a_subject() -> None:
    manager = _manager(container_managed("TrustedConnectionMapping", alias="trusted"))

    with _login(ALICE):
        assert "'alice@weather'" in manager.explain().answer
        assert "'bob@weather'" in manager.explain(caller=BOB).answer
        assert "'carol@partners'" in manager.explain(caller="carol@partners").answer


def test_explain_of_a_name_uses_the_realms_own_subject_where_there_is_one() -> None:
    data = AuthData(trusted="door")
    manager = ReferenceConnectionManager(
        container_managed("TrustedConnectionMapping", alias="trusted"),
        target(),
        resolver(data),
        PlanPool(),
        data,
        subject_of=lambda name: Subject.of_user(name, "weather"),
    )

    assert "'carol@weather'" in manager.explain(caller="carol").answer


def test_explain_lends_nothing_and_keeps_nothing() -> None:
    asked: list[Subject | None] = []
    data, pool = AuthData(), PlanPool()
    manager = ReferenceConnectionManager(
        container_managed("Mapping"), target(), resolver(data, calling(own_user, asked=asked)), pool, data
    )

    manager.explain(caller=ALICE)
    manager.explain(caller=ALICE)

    assert asked == [ALICE, ALICE]
    assert not pool.taken


def test_a_manager_shows_names_and_nothing_else() -> None:
    manager = _manager(container_managed(alias="ledger"))

    assert repr(manager) == "<ReferenceConnectionManager 'jdbc/log' to 'jdbc/ledger'>"
    assert (manager.reference, manager.resource) == ("jdbc/log", "jdbc/ledger")
    assert manager.target.mechanisms == {BASIC_PASSWORD}
