"""Running one mapping module in a chain of its own, as sign-on runs it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support_signon import AuthData, chain, container_managed, target

from connector.security.login_chain import ChainFailed, ChainResult, run_chain
from connector.signon.callback_handler import SignOnCallbackHandler
from connector.spi import LoginModule, PasswordCredential, Subject

RESOURCE = target()


def run_module(
    module: type[LoginModule],
    options: dict[str, Any],
    caller: Subject | None,
    auth_data: AuthData,
    alias: str | None = None,
    **properties: str,
) -> ChainResult:
    """One login; raises ChainFailed."""
    reference = replace(container_managed("T", alias=alias), mapping_properties=properties)
    handler = SignOnCallbackHandler(reference, RESOURCE, None, caller, auth_data.get)
    return run_chain(chain("T", module, "mapper", **options), handler)


def credential_of(result: ChainResult) -> PasswordCredential:
    """The one credential that the module gave for the resource."""
    found = result.subject.password_credential(RESOURCE.factory)
    assert found is not None
    assert result.subject.credentials == (found,)
    return found


def is_ignored(failed: ChainFailed) -> bool:
    """Whether the module had nothing to say."""
    return failed.module is None


def remarks(result: ChainResult | ChainFailed) -> list[str]:
    """What the module said of its answer."""
    (step,) = result.step.steps
    return [inner.why for inner in step.steps if inner.what == "mapping"]
