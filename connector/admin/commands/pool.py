"""`connector pool`: the pools of a running container."""

from __future__ import annotations

import click

from connector.admin import pool_text
from connector.admin.operations.pools import MODES, NO_LIMIT
from connector.admin.output import print_json, print_result
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, settings_of


def _limit(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | str | None:
    """A whole number from 1, or the word that lifts the limit."""
    if text is None or text == NO_LIMIT:
        return text
    if not text.isdecimal() or int(text) < 1:
        raise click.BadParameter(f"{text!r} is neither a whole number from 1 nor {NO_LIMIT!r}.")
    return int(text)


@click.group(cls=AdminGroup)
def pool() -> None:
    """Look at the connection pools of a running container, or operate one. Role: monitor to look, else operator.

    A resource has one pool for threads, and one for each asyncio loop that has asked for a connection; a command is
    about all of them.
    """


@pool.command()
@click.argument("reference", required=False)
@click.option("--leaks", is_flag=True, help="What is lent, the longest first, with where it was obtained.")
@click.pass_context
def show(context: click.Context, reference: str | None, leaks: bool) -> None:
    """Show all pools, or one: settings in force, figures, who has how many, connections. Role: monitor.

    REFERENCE is APPLICATION:REFERENCE, or the global name of a resource. With --json all of it is shown for each pool,
    by our names and by OpenTelemetry's. Where a connection was obtained is known of some leases, or of all, by the
    pool's setting leak_trace.
    """
    found = Route.of(context).call("pool.show", {"reference": reference, "leaks": leaks})
    if settings_of(context).json:
        print_json(found)
    elif leaks:
        pool_text.print_leaks(found)
    elif reference is None:
        pool_text.print_overview(found)
    else:
        pool_text.print_one(found[0])


@pool.command()
@click.argument("reference")
@click.option(
    "--mode",
    type=click.Choice(MODES),
    default=MODES[0],
    show_default=True,
    help="Which go: idle, the free ones; invalid, the free ones that fail validation; gracefully, all, lent ones when "
    "they come back; all, all of them now, which ends the work that is done on lent ones.",
)
@click.option("--user", metavar="USER", help="Only those signed on as this user, or lent to work as it.")
@click.option("--alias", metavar="ALIAS", help="Only those signed on by this authentication alias.")
@click.option(
    "--below-version",
    type=click.IntRange(min=0),
    metavar="N",
    help="Only those signed on with an older version of their credential; each alias counts for itself.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be closed.")
@click.pass_context
def purge(
    context: click.Context,
    reference: str,
    mode: str,
    user: str | None,
    alias: str | None,
    below_version: int | None,
    dry_run: bool,
) -> None:
    """Close connections of REFERENCE's pool; it opens new ones as they are needed. Role: operator.

    By default free ones go now and those on loan when they come back: nobody's work is interrupted. The purge is in
    the audit log.
    """
    asked = {"user": user, "alias": alias, "below_version": below_version, "dry_run": dry_run}
    result = Route.of(context).call("pool.purge", {"reference": reference, "mode": mode, **asked})
    print_result(result, as_json=settings_of(context).json, for_people=pool_text.purged(result))


@pool.command()
@click.argument("reference")
@click.option("--max-size", type=click.IntRange(min=1), metavar="N", help="Connections at most, in each pool.")
@click.option("--min-size", type=click.IntRange(min=0), metavar="N", help="Connections that are kept.")
@click.option(
    "--per-identity",
    callback=_limit,
    metavar=f"N|{NO_LIMIT}",
    help=f"Connections at most of one identity; {NO_LIMIT} lifts the limit.",
)
@click.pass_context
def resize(
    context: click.Context,
    reference: str,
    max_size: int | None,
    min_size: int | None,
    per_identity: int | str | None,
) -> None:
    """Make REFERENCE's pool larger or smaller, now and until the next start. Role: operator.

    What is not given stays as it is. The configuration is not changed. Of what is lent beyond the new size nobody is
    robbed: it is closed when it comes back. The change is in the audit log.
    """
    asked = {"max_size": max_size, "min_size": min_size, "per_identity": per_identity}
    given = {name: value for name, value in asked.items() if value is not None}
    if not given:
        raise click.UsageError("nothing to change: give --max-size, --min-size or --per-identity.", context)
    result = Route.of(context).call("pool.resize", {"reference": reference, **given})
    print_result(result, as_json=settings_of(context).json, for_people=pool_text.resized(result, given))


@pool.command()
@click.argument("reference")
@click.pass_context
def suspend(context: click.Context, reference: str) -> None:
    """Lend no connection of REFERENCE's pool until it is resumed; what is lent stays lent. Role: operator.

    Who asks meanwhile waits, at most for the pool's connection_timeout. For work on the external system: suspend, wait
    until nothing is lent, do it, purge, resume. It is in the audit log, and `connector check` reminds of it.
    """
    result = Route.of(context).call("pool.suspend", {"reference": reference})
    print_result(result, as_json=settings_of(context).json, for_people=pool_text.suspended(result))


@pool.command()
@click.argument("reference")
@click.pass_context
def resume(context: click.Context, reference: str) -> None:
    """Lend connections of REFERENCE's pool again. Role: operator. It is in the audit log."""
    result = Route.of(context).call("pool.resume", {"reference": reference})
    print_result(result, as_json=settings_of(context).json, for_people=pool_text.resumed(result))
