"""What the kit opens it lets go of, whatever becomes of the opening."""

from __future__ import annotations

import pytest

from connector.testing import Backend, InboundBackend, MapperBackend, RegistryBackend, StoreBackend
from connector.testing.opened import Opened


class Half(Opened):
    """Starts one of two servers."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def open(self) -> None:
        self.heard.append("open")
        raise OSError("the second server does not start")

    def close(self) -> None:
        self.heard.append("close")


def test_one_that_opens_by_half_is_closed() -> None:
    half = Half()
    with pytest.raises(OSError, match="second server"), half:
        pytest.fail("it did not open")
    assert half.heard == ["open", "close"]


@pytest.mark.parametrize("kind", [Backend, InboundBackend, MapperBackend, RegistryBackend, StoreBackend])
def test_all_backends_are_opened_alike(kind: type) -> None:
    assert issubclass(kind, Opened)
