"""Whether the work contexts that an adapter requires can be set up here: checked before it starts (FLOW-2)."""

from __future__ import annotations

from pkgutil import resolve_name

from connector.container.plugins.descriptor import AdapterDescriptor
from connector.errors import DeploymentError, Reason
from connector.spi import WorkContext, WorkManager

CONTEXT_NOT_SUPPORTED = Reason(
    "CF-CTR-050",
    "the adapter {adapter!r} requires the work context {name!r}, which this container can't set up.",
    "Use a version of the adapter that does without it; see `required_work_contexts` in its ra.toml.",
)
NOT_A_CONTEXT = Reason(
    "CF-CTR-051",
    "the adapter {adapter!r} requires the work context {name!r}, and there is no such subclass of WorkContext.",
    "Correct `required_work_contexts` in its ra.toml; report it to the adapter's vendor.",
)


def check_required_contexts(descriptor: AdapterDescriptor, works: WorkManager) -> None:
    """Compare exactly: a supported base class of what is required does not do.

    Blocks for importing the modules that are named. Raises DeploymentError for the first that is not supported.
    """
    for name in descriptor.required_work_contexts:
        try:
            found = resolve_name(name)
        except (ImportError, AttributeError, ValueError) as error:
            raise DeploymentError(NOT_A_CONTEXT, adapter=descriptor.name, name=name) from error
        if not isinstance(found, type) or not issubclass(found, WorkContext):
            raise DeploymentError(NOT_A_CONTEXT, adapter=descriptor.name, name=name)
        if not works.is_context_supported(found):
            raise DeploymentError(CONTEXT_NOT_SUPPORTED, adapter=descriptor.name, name=name)
