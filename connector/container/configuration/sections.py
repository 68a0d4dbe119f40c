"""What all configuration sections have in common: strict, frozen, no unknown keys."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from connector.container.configuration.quantities import duration
from connector.errors import Reason

V = TypeVar("V")


class Section(BaseModel):
    """A table of the core: unknown keys are mistakes, values are never converted, nothing changes afterwards."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    #: Keys that are unknown for a reason worth telling, each with that reason.
    refused: ClassVar[Mapping[str, Reason]] = {}


def _read_only(table: Mapping[str, V]) -> Mapping[str, V]:
    return MappingProxyType(dict(table))


Name = Annotated[str, Field(min_length=1)]
# A TOML array is a list; what a section holds is a tuple.
Names = Annotated[tuple[Name, ...], Field(strict=False)]
Duration = Annotated[float, BeforeValidator(duration)]
Texts = Annotated[Mapping[str, str], AfterValidator(_read_only)]
FreeTable = Annotated[Mapping[str, Any], AfterValidator(_read_only)]


def empty() -> Mapping[str, Any]:
    """An empty read-only table; as a factory, since pydantic copies defaults and can't copy this one."""
    return MappingProxyType({})
