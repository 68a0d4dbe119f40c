"""What Prometheus learns of pools: every figure of `connector.pool.measurements`, by its name and labels (POOL-6)."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families as parsed
from support_pool import PoolBench

from connector.pool import PoolStatistics
from connector.pool.measurements import Durations, measurements_of
from connector.spi import IDENTITY
from connector_metrics.exposition import exposition

STATE = "db_client_connection_state"


@pytest.fixture(scope="module")
def statistics() -> PoolStatistics:
    """A number of its own for each figure, so that none can be taken for another."""
    made = PoolBench().pool.statistics()
    numbers: dict[str, Any] = {
        field.name: number
        for number, field in enumerate(dataclasses.fields(made), start=10)
        if isinstance(getattr(made, field.name), int | float)
    }
    return dataclasses.replace(
        made,
        **numbers,
        by_identity={"alice": 3, "bob": 1},
        used_by_identity={"alice": 2},
        destroyed_for={"purged": 4, "aged timeout": 5},
        opening=Durations(6, 1.5),
        use=Durations(7, 2.5),
    )


def scraped(statistics: PoolStatistics, *, identities: bool = False) -> dict[str, Metric]:
    text = exposition("shop", measurements_of(statistics, "jdbc/ledger"), identities=identities).decode()
    return {family.name: family for family in parsed(text)}


def by(family: Metric, label: str) -> dict[str, float]:
    return {sample.labels[label]: sample.value for sample in family.samples}


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("db_client_connection_max", "max_size"),
        ("db_client_connection_idle_min", "min_size"),
        ("db_client_connection_pending_requests", "waiting"),
        ("db_client_connection_timeouts", "timeouts"),
        ("connector_pool_connections_changing", "changing"),
        ("connector_pool_connections_opened", "created"),
        ("connector_pool_connections_replaced", "replaced"),
        ("connector_pool_connections_reauthenticated", "reauthenticated"),
        ("connector_pool_connections_broken", "broken"),
        ("connector_pool_connections_abandoned", "abandoned"),
        ("connector_pool_connections_overstayed", "overstayed"),
        ("connector_pool_connections_leaks", "leaks"),
        ("connector_pool_connections_validated", "validated"),
        ("connector_pool_connections_invalid", "invalid"),
        ("connector_pool_failed_logins", "failed_logins"),
        ("connector_pool_spared_logins", "spared_logins"),
    ],
)
def test_a_figure_has_its_name_and_the_pools(statistics: PoolStatistics, name: str, figure: str) -> None:
    (sample,) = scraped(statistics)[name].samples
    assert sample.value == getattr(statistics, figure)
    assert sample.labels == {"container": "shop", "db_client_connection_pool_name": "jdbc/ledger"}


def test_connections_are_told_by_state(statistics: PoolStatistics) -> None:
    count = by(scraped(statistics)["db_client_connection_count"], STATE)
    assert count == {"idle": statistics.free, "used": statistics.in_use}


def test_why_connections_were_closed_is_a_label(statistics: PoolStatistics) -> None:
    closed = scraped(statistics)["connector_pool_connections_closed"]
    assert closed.type == "counter"
    assert by(closed, "connector_reason") == {"purged": 4, "aged timeout": 5}


@pytest.mark.parametrize(
    ("name", "count", "seconds"),
    [("create_time", 6, 1.5), ("use_time", 7, 2.5)],
)
def test_times_are_counted_and_summed_up(statistics: PoolStatistics, name: str, count: int, seconds: float) -> None:
    family = scraped(statistics)[f"db_client_connection_{name}_seconds"]
    told = {sample.name.rpartition("_")[2]: sample.value for sample in family.samples}
    assert told == {"count": count, "sum": seconds}


def test_who_has_connections_is_told_only_where_that_is_asked_for(statistics: PoolStatistics) -> None:
    assert "connector_pool_connections" not in scraped(statistics)
    told = scraped(statistics, identities=True)["connector_pool_connections"]
    used = {
        sample.labels["connector_identity"]: sample.value for sample in told.samples if sample.labels[STATE] == "used"
    }
    assert used == {"alice": 2, "bob": 0}


def test_no_measurement_is_lost_on_the_way(statistics: PoolStatistics) -> None:
    measured = {one.name.replace(".", "_") for one in measurements_of(statistics, "jdbc/ledger")}
    told = {name.removesuffix("_seconds") for name in scraped(statistics, identities=True)}
    assert told == measured


def test_nothing_but_the_identity_names_a_user(statistics: PoolStatistics) -> None:
    text = exposition("shop", measurements_of(statistics, "jdbc/ledger"), identities=False).decode()
    assert "alice" not in text
    assert IDENTITY.replace(".", "_") not in text
