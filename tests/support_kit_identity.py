"""The backends by which the mappers `kerberos` and `platform` are certified. Neither asks a server at sign-on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from support_kit import ALIASES

from connector.spi import KerberosCredential, PlatformIdentity, Subject
from connector.testing import MapperBackend, MapperCase, Outcome
from connector_kerberos import KerberosMappingModule
from connector_platform import PlatformMappingModule


@dataclass(frozen=True)
class _Tickets:
    expired: bool = False

    @contextmanager
    def cache_for(self, service: str) -> Iterator[str]:
        raise AssertionError("sign-on asks no KDC")
        yield ""


def _user(name: str, *brought: object) -> Subject:
    return Subject.of_user(name, "kit", credentials=brought)


class KerberosMappingBackend(MapperBackend):
    module = KerberosMappingModule
    options = {"principal": "web/host@EXAMPLE.ORG", "keytab": "/etc/web.keytab"}

    @property
    def cases(self) -> tuple[MapperCase, ...]:
        alice = KerberosCredential("alice@EXAMPLE.ORG", "alice", _Tickets())
        late = KerberosCredential("carol@EXAMPLE.ORG", "carol", _Tickets(expired=True))
        return (
            MapperCase("alice's own ticket", Outcome.SUCCEEDS, _user("alice", alice)),
            MapperCase("bob, by delegation", Outcome.SUCCEEDS, _user("bob"), {"source": "constrained"}),
            MapperCase("the service itself", Outcome.SUCCEEDS, None, {"source": "keytab"}),
            MapperCase("no ticket", Outcome.FAILS, _user("bob")),
            MapperCase("an expired ticket", Outcome.FAILS, _user("carol", late)),
            MapperCase("somebody else's ticket", Outcome.FAILS, _user("bob", alice)),
            MapperCase("nobody", Outcome.FAILS, None),
        )


class PlatformMappingBackend(MapperBackend):
    module = PlatformMappingModule
    aliases = ALIASES

    @property
    def cases(self) -> tuple[MapperCase, ...]:
        return (
            MapperCase("alice's user id", Outcome.SUCCEEDS, _user("alice", PlatformIdentity("ALICE1"))),
            MapperCase("bob's user id", Outcome.SUCCEEDS, _user("bob", PlatformIdentity("BOB1"))),
            MapperCase("the process", Outcome.SUCCEEDS, None, {"process_user": "true"}),
            MapperCase("an alias", Outcome.IGNORES, _user("bob", PlatformIdentity("BOB1")), {"alias": "ledger"}),
            MapperCase("no user id", Outcome.IGNORES, _user("bob")),
            MapperCase("a setting that is wrong", Outcome.FAILS, None, {"process_user": "perhaps"}),
        )
