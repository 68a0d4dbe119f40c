"""`connector config`: any setting, read and changed on the files and on the running container (CONF-8, CONF-4)."""

from __future__ import annotations

import json
import stat

import pytest
from support_shop_commands import Shop

POOL = 'resources."jdbc/orders".pool.max_size'
SENDERS = "buses.shop.destinations.orders.roles.sender"


# --- on the files ----------------------------------------------------------------------------------------------------


def test_get_shows_a_value_with_its_origin(shop: Shop) -> None:
    found = shop.json("config", "get", POOL)
    assert (found["value"], found["file"]) == (2, str(shop.profile.configuration))
    assert "max_size = 2" in shop.text.splitlines()[found["line"] - 1]


def test_get_shows_a_table_as_toml_for_people(shop: Shop) -> None:
    assert shop("config", "get", "buses.shop.destinations").stdout.startswith('[orders]\ntype = "queue"\n')


def test_get_shows_an_applications_keys_wherever_they_are_written(shop: Shop) -> None:
    found = shop.json("config", "get", "applications.shop.roles.buyer.groups")
    assert (found["value"], found["file"]) == (["buyers"], str(shop.profile.descriptor))


def test_get_never_shows_a_password(shop: Shop) -> None:
    shop.profile.edit("properties = { url", 'properties = { password = "hush-hush", url')
    for key in ('resources."jdbc/orders"', 'resources."jdbc/orders".properties.password'):
        result = shop("config", "get", key)
        assert "hush" not in result.output
        assert "********" in result.output


def test_what_nobody_has_said_is_not_there_to_get(shop: Shop) -> None:
    assert shop.refused("config", "get", "buses.shop.color", exit_code=2) == "CF-CONF-072"


def test_set_changes_the_one_value_and_says_when_it_is_in_force(shop: Shop) -> None:
    before = shop.text
    result = shop("config", "set", POOL, "20")
    assert result.stdout.splitlines() == [
        f"{POOL}: 2 -> 20",
        f"Changed in {shop.profile.configuration}; no container runs: in force with its next start.",
    ]
    assert shop.text == before.replace("max_size = 2", "max_size = 20")


def test_set_again_changes_nothing(shop: Shop) -> None:
    shop("config", "set", POOL, "20")
    before = shop.profile.configuration.stat().st_mtime_ns
    assert shop.json("config", "set", POOL, "20")["changed"] is False
    assert shop.profile.configuration.stat().st_mtime_ns == before


def test_a_key_whose_quotes_the_shell_has_taken_is_understood(shop: Shop) -> None:
    assert shop.json("config", "set", "resources.jdbc/orders.pool.max_size", "9")["keys"][0]["key"] == POOL


def test_an_applications_key_is_written_into_its_descriptor(shop: Shop) -> None:
    report = shop.json("config", "set", 'applications.shop.activations."jms/orders".max_redeliveries', "3")
    assert report["file"] == str(shop.profile.descriptor)
    assert "max_redeliveries = 3" in shop.profile.descriptor.read_text()


def test_what_the_deployment_overrides_is_changed_where_it_wins(shop: Shop) -> None:
    override = '{ descriptor = "shop.toml", roles = { buyer = { groups = ["clients"] } } }'
    shop.profile.edit('shop = "shop.toml"', f"shop = {override}")
    report = shop.json("config", "set", "applications.shop.roles.buyer.groups", '["buyers", "clients"]')
    assert report["file"] == str(shop.profile.configuration)


def test_a_mistake_is_refused_with_file_and_line_and_nothing_is_changed(shop: Shop) -> None:
    before = shop.text
    result = shop("config", "set", POOL, "0")
    assert result.exit_code == 2
    assert f"{shop.profile.configuration}:" in result.stderr
    assert shop.text == before


def test_a_holder_whom_the_registry_does_not_know_is_refused(shop: Shop) -> None:
    before = shop.text
    result = shop("config", "set", SENDERS, '["user:mallory"]')
    assert (result.exit_code, "mallory" in result.stderr) == (2, True)
    assert shop.text == before


def test_several_keys_are_set_together_or_not_at_all(shop: Shop) -> None:
    before = shop.text
    assert shop("config", "set", POOL, "5", "buses.shop.securty", "false").exit_code == 2
    assert shop.text == before
    assert shop("config", "set", POOL, "5", "buses.shop.security", "false").exit_code == 0


def test_a_file_with_a_mistake_can_be_put_right(shop: Shop) -> None:
    shop.profile.edit("max_size = 2", 'max_size = "two"')
    assert shop("status").exit_code == 2
    assert shop("config", "set", POOL, "2").exit_code == 0


def test_a_secret_is_no_argument(shop: Shop) -> None:
    key = 'resources."jdbc/orders".properties.password'
    assert shop.refused("config", "set", key, "hush-hush", exit_code=2) == "CF-ADM-080"
    secret = shop.profile.folder / "secret"
    secret.write_text("hush-hush")
    assert shop("config", "set", key, "file:secret").exit_code == 0


def test_a_key_that_the_environment_overrides_is_set_and_said_to_have_no_effect(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = "CONNECTOR__RESOURCES__JDBC_ORDERS__POOL__MAX_SIZE"
    monkeypatch.setenv(variable, "30")
    result = shop("config", "set", POOL, "7")
    assert f"without effect while {variable} is set" in result.stdout
    assert "max_size = 7" in shop.text
    assert shop.json("config", "get", POOL)["file"] == variable


def test_unset_takes_a_key_away_with_what_is_below_it(shop: Shop) -> None:
    report = shop.json("config", "unset", "buses.shop.destinations.orders.roles")
    assert report["keys"][0]["new"] is None
    assert "receiver" not in shop.text


def test_who_has_read_an_older_file_does_not_overwrite_a_newer_one(shop: Shop) -> None:
    revision = shop.json("config", "get")["revision"]
    shop.profile.edit("max_size = 2", "max_size = 3")
    assert shop.refused("config", "set", POOL, "9", "--revision", revision, exit_code=2) == "CF-CONF-073"
    newer = shop.json("config", "get")["revision"]
    report = shop.json("config", "set", POOL, "9", "--revision", newer)
    assert report["revision"] == shop.json("config", "get")["revision"]


def test_the_files_mode_and_link_stay(shop: Shop) -> None:
    real = shop.profile.folder / "real.toml"
    shop.profile.configuration.rename(real)
    real.chmod(0o640)
    shop.profile.configuration.symlink_to(real)
    assert shop("config", "set", POOL, "8").exit_code == 0
    assert shop.profile.configuration.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert "max_size = 8" in real.read_text()


def test_who_changed_what_from_what_to_what_is_audited(shop: Shop) -> None:
    shop("config", "set", POOL, "8")
    (event,) = [event for event in shop.audited if event["action"] == "admin.config.set"]
    assert (event["outcome"], event["reason"]) == ("success", "file ownership")
    assert event["details"]["changed"] == [f"{POOL}: 2 -> 8"]


def test_reload_needs_a_container_that_runs(shop: Shop) -> None:
    assert shop.refused("config", "reload", exit_code=3) == "CF-ADM-044"


# --- on the running container ----------------------------------------------------------------------------------------


def test_a_running_container_puts_it_in_force_at_once(shop: Shop) -> None:
    with shop.running() as container:
        assert shop("config", "set", POOL, "6").stdout.endswith(f"Changed in {shop.profile.configuration}: live.\n")
        assert container.pool("jdbc/orders").statistics().max_size == 6


def test_what_needs_a_restart_is_named(shop: Shop) -> None:
    with shop.running():
        key = 'resources."jdbc/orders".pool.aged_timeout'
        result = shop("config", "set", key, "1h", POOL, "6")
        assert result.stdout.splitlines()[-2:] == [f"  live: {POOL}", f"  needs a restart: {key}"]


def test_a_configurator_changes_what_is_no_security_setting_and_nothing_else(shop: Shop) -> None:
    with shop.running("alice"):
        assert shop("config", "set", POOL, "6").exit_code == 0
        before = shop.text
        assert shop.refused("config", "set", SENDERS, '["user:bob"]') == "CF-ADM-021"
        assert shop.refused("config", "set", "admin.administrator", '["user:alice"]') == "CF-ADM-021"
        table = '{ security = false, roles = { connector = ["Everyone"] } }'
        assert shop.refused("config", "set", "buses.shop", table) == "CF-ADM-021"
        assert shop.text == before


def test_a_security_setting_that_an_override_hides_is_the_administrators_all_the_same(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTOR__BUSES__SHOP__SECURITY", "true")
    with shop.running("alice"):
        before = shop.text
        destinations = '{ orders = { roles = { receiver = ["user:shop-service"] }, type = "queue" } }'
        roles = '{ connector = ["user:shop-applications", "user:shop-service", "group:clients", "user:admin"] }'
        asserted = '["user:shop-applications"]'
        table = (
            f"{{ security = false, identity_assertion = {asserted}, roles = {roles}, destinations = {destinations} }}"
        )
        assert shop.refused("config", "set", "buses.shop", table) == "CF-ADM-021"
        assert shop.text == before


def test_a_file_that_was_edited_wrongly_is_told_with_its_lines_and_puts_nothing_in_force(shop: Shop) -> None:
    with shop.running() as container:
        shop.profile.edit("max_size = 2", "max_size = 0")
        result = shop("config", "reload")
        assert (result.exit_code, f"{shop.profile.configuration}:" in result.stderr) == (2, True)
        assert container.pool("jdbc/orders").statistics().max_size == 2


def test_a_change_of_two_files_is_refused(shop: Shop) -> None:
    keys = (POOL, "3", "applications.shop.roles.buyer.groups", '["clients"]')
    assert shop.refused("config", "set", *keys, exit_code=2) == "CF-CONF-074"


@pytest.mark.parametrize("login", ["bob", "carol"])
def test_an_operator_and_a_monitor_look_and_change_nothing(shop: Shop, login: str) -> None:
    with shop.running(login):
        assert shop.json("config", "get", POOL)["value"] == 2
        assert shop.refused("config", "set", POOL, "6") == "CF-ADM-021"
        assert shop.refused("config", "reload") == "CF-ADM-021"


def test_a_refusal_is_audited_with_the_roles_considered(shop: Shop) -> None:
    with shop.running("alice"):
        shop("config", "set", SENDERS, '["user:bob"]')
    (event,) = [event for event in shop.audited if event["action"] == "admin.config.set"]
    assert (event["who"], event["outcome"], event["reason"]) == ("alice@shop", "denied", "CF-ADM-021")
    assert event["details"]["roles"] == ["configurator", "monitor"]


def test_an_admin_role_is_in_force_with_the_next_command(shop: Shop) -> None:
    with shop.running():
        assert shop.refused("config", "set", POOL, "6", login="carol") == "CF-ADM-021"
        shop("config", "set", "admin.configurator", '["user:carol"]')
        assert shop("config", "set", POOL, "6", login="carol").exit_code == 0


def test_an_edited_file_is_put_in_force_by_reload(shop: Shop) -> None:
    with shop.running() as container:
        shop.profile.edit("max_size = 2", "max_size = 5")
        assert shop.json("config", "reload")["live"] == [POOL]
        assert container.pool("jdbc/orders").statistics().max_size == 5


def test_a_configurator_does_not_put_in_force_an_edited_security_setting(shop: Shop) -> None:
    with shop.running("alice"):
        shop.profile.edit('administrator = ["user:admin"]', 'administrator = ["user:admin", "user:alice"]')
        assert shop.refused("config", "reload") == "CF-ADM-021"
        assert shop.refused("users", "remove", "bob") == "CF-ADM-021"


def test_a_refused_edit_is_told_as_json_with_its_exit_code(shop: Shop) -> None:
    with shop.running():
        result = shop("--json", "config", "set", POOL, "0")
        assert (result.exit_code, json.loads(result.stdout)["error"]["code"]) == (2, "CF-CONF-001")
