"""Metrics are listened for on loopback and nowhere else."""

from __future__ import annotations

import pytest

from connector.errors import ConfigError
from connector_metrics.listen_address import ListenAddress, listen_address, names_this_machine


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [("127.0.0.1:9464", "127.0.0.1", 9464), ("127.8.0.1:0", "127.8.0.1", 0), ("[::1]:80", "::1", 80)],
)
def test_a_loopback_address_is_taken_and_shown_as_it_was_given(listen: str, host: str, port: int) -> None:
    address = listen_address(listen)
    assert address == ListenAddress(host, port)
    assert str(address) == listen


@pytest.mark.parametrize(
    "listen",
    [
        "", "9464", ":9464", "0.0.0.0:9464", "[::]:9464", "10.0.0.1:9464", "localhost:9464", "127.0.0.1", "127.0.0.1:",
        "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:9464/metrics", "::1:9464", "127.0.0.300:1", "127.0.0.1:9464\n",
    ],
)  # fmt: skip
def test_whatever_others_could_reach_is_refused_and_says_what_to_do(listen: str) -> None:
    with pytest.raises(ConfigError) as refused:
        listen_address(listen)
    assert refused.value.code == "CF-METR-001"
    assert "proxy" in refused.value.action


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9464", "localhost", "LOCALHOST:9464", "[::1]:9464", "[::1]"])
def test_a_client_that_names_this_machine_is_let_in(host: str) -> None:
    assert names_this_machine(host)


@pytest.mark.parametrize("host", ["", "evil.example", "evil.example:9464", "127.0.0.1.evil.example", "[", "10.0.0.1"])
def test_a_page_whose_name_was_made_to_resolve_here_is_not(host: str) -> None:
    assert not names_this_machine(host)
