from __future__ import annotations

import pytest

from connector.container.plugins.clash import check_import_name
from connector.errors import PluginError


def test_another_distribution_with_our_import_name_is_named() -> None:
    with pytest.raises(PluginError, match="connector-sdk") as caught:
        check_import_name({"connector": ["connector-framework", "connector-sdk"]})
    assert caught.value.code == "CF-PLUG-020"
    assert "Uninstall connector-sdk" in caught.value.action


def test_an_editable_install_of_ours_beside_another_is_a_clash_as_well() -> None:
    with pytest.raises(PluginError):
        check_import_name({"connector": ["connector-sdk", "connector-sdk"]})


@pytest.mark.parametrize("distributions", [{}, {"connector": ["connector-framework"]}, {"connectors": ["other"]}])
def test_our_own_name_alone_is_fine(distributions: dict[str, list[str]]) -> None:
    check_import_name(distributions)


def test_this_very_environment_is_fine() -> None:
    check_import_name()
