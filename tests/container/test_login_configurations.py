"""SIGN-4: login configurations of a real container: their modules, options and mistakes, from the file to the login."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support_container import ProfileFolder
from support_plugins import entry_points_of, install, ra_toml
from support_secrets import MARKER

from connector import Container, Secret
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.found import installed_entry_points
from connector.errors import ConfigError, SignOnError

MODULE = """
    from connector.spi import PasswordCredential, Secret, ManagedConnectionFactoryCallback, Dependency

    class Vouching:
        depends_on = frozenset({Dependency.TIME})

        def initialize(self, subject, callback_handler, shared_state, options):
            self.subject, self.handler, self.options = subject, callback_handler, options

        def login(self):
            return True

        def commit(self):
            target = ManagedConnectionFactoryCallback()
            self.handler.handle([target])
            user = self.options["user"]
            self.subject.add_credential(PasswordCredential(user, Secret("x"), target.factory))
            return True

        def abort(self):
            return True

        def logout(self):
            return True
"""

_MAPPER_TOML = """
    spi = "1"
    [mappers.ledger-vouching.options.user]
    required = true
"""


def use(profile: ProfileFolder, stack: str, *, name: str = "Payroll") -> None:
    """Have the bus reference sign on by this stack."""
    profile.edit("[applications]", f"[login.{name}]\nstack = [{stack}]\n\n[applications]")
    profile.edit('login = "TrustedConnectionMapping"', f'login = "{name}"', descriptor=True)


def explained(container: Container, caller: str | None = "alice") -> str:
    return str(container.explain("shop:jms/shop", caller=caller))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with distributions of the test's own; what was imported from it is forgotten afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    for name in [name for name in sys.modules if name.startswith("cf_login_")]:
        del sys.modules[name]


@pytest.fixture
def open_with(profile: ProfileFolder, site: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Container]:
    """Opens the profile with what is installed, and with the test's own distributions."""

    def discover(*_: object, **__: object) -> PluginCatalogue:
        return original(entry_points=[*installed_entry_points(), *entry_points_of(site)], environ={})

    original = PluginCatalogue.discover
    monkeypatch.setattr(PluginCatalogue, "discover", discover)
    return profile.open


def test_a_table_beside_the_configuration_maps_callers_of_the_containers_realm(profile: ProfileFolder) -> None:
    (profile.folder / "callers.toml").write_text('[callers]\nalice = "shop-service"\n')
    use(profile, '{ module = "one-to-one", flag = "required", options = { table = "callers.toml" } }')

    with profile.open() as container:
        assert "signed on as user 'shop-service'" in explained(container)
        assert "CF-SIGN-012" in explained(container, "bob")
        with container.login("alice", profile.password):
            with container.application("shop").lookup("jms/shop").get_connection() as bus:
                bus.send("orders", {"item": "tea"})


def test_a_change_of_the_table_counts_for_kept_plans_too(profile: ProfileFolder) -> None:
    table = profile.folder / "callers.toml"
    table.write_text('[callers]\nalice = "shop-service"\n')
    use(profile, '{ module = "one-to-one", flag = "required", options = { table = "callers.toml" } }')

    with profile.open() as container, container.login("alice", profile.password):
        manager = container.application("shop").manager("jms/shop")
        users = [manager.current_plan().user, manager.current_plan().user]
        table.write_text('[callers]\nalice = "shop-applications"\n')
        users.append(manager.current_plan().user)
        table.write_text("[callers]\n")
        with pytest.raises(SignOnError, match="CF-SIGN-012"):
            manager.current_plan()

    assert users == ["shop-service", "shop-service", "shop-applications"]


def test_all_mistakes_in_options_and_table_stop_the_start_with_their_places(profile: ProfileFolder) -> None:
    (profile.folder / "callers.toml").write_text("[callers]\nalice = 7\n")
    use(
        profile,
        '{ module = "one-to-one", flag = "optional", options = { table = "callers.toml", '
        'rules = [{ caller = "bob", alias = "a" }, { group = "g", alias = "{1}" }] } }',
    )

    with pytest.raises(ConfigError) as refused, profile.open():
        pass

    line = next(
        number for number, text in enumerate(profile.configuration.read_text().splitlines(), 1) if "one-to-one" in text
    )
    assert [(Path(p.file).name, p.line, p.code, p.key_path) for p in refused.value.problems] == [
        ("connector.toml", line, "CF-MAP-005", "login.Payroll.stack[0].options.rules[0].caller"),
        ("connector.toml", line, "CF-MAP-008", "login.Payroll.stack[0].options.rules[1].alias"),
        ("callers.toml", 2, "CF-MAP-023", "callers.alice"),
    ]


def test_a_wrong_edit_of_the_table_is_a_finding_and_changes_nothing(profile: ProfileFolder) -> None:
    table = profile.folder / "callers.toml"
    table.write_text('[callers]\nalice = "shop-service"\n')
    use(profile, '{ module = "one-to-one", flag = "required", options = { table = "callers.toml" } }')

    with profile.open() as container:
        assert not [one for one in container.findings() if one.code.startswith("CF-MAP")]
        explained(container)
        table.write_text(f'[callers]\nalice = {{ password = "{MARKER}" }}\n')
        found = [one for one in container.findings() if one.code.startswith("CF-MAP")]

        assert [one.code for one in found] == ["CF-MAP-024", "CF-MAP-009"]
        assert f"{table}:2" in found[0].place
        assert MARKER not in repr(found)
        assert "signed on as user 'shop-service'" in explained(container)
        assert "callers.toml is wrong as it stands" in explained(container)


def test_a_login_module_may_ship_inside_an_adapters_distribution(
    profile: ProfileFolder, site: Path, open_with: Callable[[], Container]
) -> None:
    install(
        site,
        "connector-ledger",
        {
            "connector.adapters": {"ledger": "cf_login_ledger:Adapter"},
            "connector.mappers": {"ledger-vouching": "cf_login_ledger.mapping:Vouching"},
        },
        {
            "cf_login_ledger/__init__.py": "",
            "cf_login_ledger/ra.toml": ra_toml("ledger"),
            "cf_login_ledger/mapper.toml": _MAPPER_TOML,
            "cf_login_ledger/mapping.py": MODULE,
        },
    )
    use(profile, '{ module = "ledger-vouching", flag = "required", options = { user = "vouched" } }')

    with open_with() as container:
        assert "signed on as user 'vouched'" in explained(container)


@pytest.mark.parametrize(
    ("flag", "outcome", "severity", "consequence"),
    [
        ("required", "CF-SIGN-011", "error", "it is required, so the login fails, once the others have been asked"),
        ("optional", "signed on as user 'shop-service'", "warning", "it is optional, so the others are asked"),
    ],
)
def test_a_module_that_cannot_be_imported_obeys_its_flag_and_is_told_with_what_that_means(
    profile: ProfileFolder,
    site: Path,
    open_with: Callable[[], Container],
    caplog: pytest.LogCaptureFixture,
    flag: str,
    outcome: str,
    severity: str,
    consequence: str,
) -> None:
    install(
        site,
        "connector-broken",
        {"connector.mappers": {"broken": "cf_login_broken:NoSuchClass"}},
        {"cf_login_broken.py": ""},
    )
    use(
        profile,
        f'{{ module = "broken", flag = "{flag}" }}, '
        '{ module = "configured-identity", flag = "required", options = { alias = "shop-service" } }',
    )

    with caplog.at_level(logging.WARNING, "connector.container"), open_with() as container:
        told = explained(container)
        (found,) = [one for one in container.findings() if one.code == "CF-CTR-043"]

    assert outcome in told
    assert (found.severity, found.place) == (severity, "login.Payroll.stack[0]")
    for text in (told, caplog.text, found.text):
        assert "'broken'" in text or "module broken" in text
        assert "NoSuchClass" in text
        assert consequence in text


def test_the_default_mapping_and_one_that_looks_at_nobody_are_kept_alike(profile: ProfileFolder) -> None:
    use(profile, '{ module = "configured-identity", flag = "required", options = { alias = "shop-service" } }')

    with profile.open() as container:
        manager = container.application("shop").manager("jms/shop")
        plans = []
        for user in ("alice", "bob"):
            with container.login(user, Secret(MARKER)):
                plans.append(manager.current_plan())

    assert plans[0] is plans[1]


def test_the_deployment_may_have_a_reference_signed_on_by_another_login_configuration(profile: ProfileFolder) -> None:
    profile.edit(
        "[applications]",
        "[login.Payroll]\nstack = [{ module = 'configured-identity', flag = 'required', "
        "options = { alias = 'shop-service' } }]\n\n[applications]",
    )
    deployed = {"descriptor": "shop.toml", "references": {"jms/shop": {"login": "Payroll"}}}

    with profile.open() as container:
        assert "working as 'alice@shop'" in explained(container)
    with profile.open(overrides={"applications": {"shop": deployed}}) as container:
        told = explained(container)

    assert "signed on as user 'shop-service'" in told
    assert "its login (overrides) wins over the descriptor" in told
