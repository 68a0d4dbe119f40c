"""Measurements as text: what the Prometheus library itself reads out of it is what was measured."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families as parsed

from connector.spi import IDENTITY, Instrument, Measurement
from connector_metrics.exposition import CONTENT_TYPE, exposition

POOL = {"db.client.connection.pool.name": "jdbc/ledger"}
WAITS = Measurement("db.client.connection.wait_time", Instrument.TIMING, 1.5, "s", "Waits.", POOL, 3)
TIMEOUTS = Measurement("db.client.connection.timeouts", Instrument.COUNTER, 2, "{timeout}", "In vain.", POOL)
ALICE = Measurement("connector.pool.connections", Instrument.GAUGE, 1, "{connection}", "By user.", {IDENTITY: "alice"})


def text(*measurements: Measurement, identities: bool = False) -> str:
    return exposition("shop", measurements, identities=identities).decode()


def test_a_counter_ends_in_total_and_carries_container_and_pool() -> None:
    assert text(TIMEOUTS).splitlines() == [
        "# HELP db_client_connection_timeouts_total In vain.",
        "# TYPE db_client_connection_timeouts_total counter",
        'db_client_connection_timeouts_total{container="shop",db_client_connection_pool_name="jdbc/ledger"} 2.0',
    ]


def test_a_timing_is_a_summary_in_seconds() -> None:
    (family,) = parsed(text(WAITS))
    assert family.type == "summary"
    assert {(sample.name, sample.value) for sample in family.samples} == {
        ("db_client_connection_wait_time_seconds_count", 3.0),
        ("db_client_connection_wait_time_seconds_sum", 1.5),
    }


def test_who_has_connections_is_told_only_where_that_is_asked_for() -> None:
    assert text(ALICE) == ""
    assert 'connector_identity="alice"' in text(ALICE, identities=True)


def test_each_metric_is_announced_once_however_its_samples_come() -> None:
    other = Measurement(TIMEOUTS.name, TIMEOUTS.instrument, 5, TIMEOUTS.unit, TIMEOUTS.description, {**POOL})
    told = text(TIMEOUTS, WAITS, other)
    assert told.count("# TYPE db_client_connection_timeouts_total") == 1


def test_it_is_the_format_that_every_prometheus_reads() -> None:
    assert CONTENT_TYPE == "text/plain; version=0.0.4; charset=utf-8"


@given(st.text(), st.integers(min_value=-(2**53), max_value=2**53))
def test_any_name_and_any_figure_come_back_as_they_were(pool: str, value: int) -> None:
    one = Measurement("connector.x", Instrument.GAUGE, value, "{x}", "X.", {"pool": pool})
    (family,) = parsed(text(one))
    (sample,) = family.samples
    assert sample.labels == {"container": "shop", "pool": pool}
    assert sample.value == value
