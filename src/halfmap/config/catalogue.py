"""All options of one command, found from the declarations in its groups."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from pydantic.fields import FieldInfo

from halfmap.config.declare import Option, OptionGroup

Marker = TypeVar("Marker")


@dataclass(frozen=True, slots=True)
class Declaration:
    """One option with everything that its declaration says."""

    name: str
    """Code name: attribute of the options of the command."""
    group: str
    field: FieldInfo
    option: Option

    @property
    def spelling(self) -> str:
        """The word after ``--``."""
        return self.option.spelling

    @property
    def is_flag(self) -> bool:
        """Whether the option takes no value."""
        return self.field.annotation is bool

    @property
    def required(self) -> bool:
        """Whether there is no default."""
        return self.field.is_required()

    @property
    def default(self) -> Any:
        """Value when nothing is said; None for a required option."""
        return None if self.required else self.field.default

    def marker(self, kind: type[Marker]) -> Marker | None:
        """Return what stands beside the type, such as its `Range`; the outermost counts."""
        marks = reversed(self.field.metadata)
        return next((mark for mark in marks if isinstance(mark, kind)), None)


@dataclass(frozen=True)
class Catalogue:
    """The options of a command."""

    command: str
    """``refine``, for messages."""
    groups: tuple[type[OptionGroup], ...]
    """In the order in which help and documentation show them."""

    @cached_property
    def declarations(self) -> tuple[Declaration, ...]:
        """All options in the order in which they are shown."""
        return tuple(
            Declaration(name, (group.__doc__ or "").rstrip("."), field, mark)
            for group in self.groups
            for name, field in group.model_fields.items()
            for mark in field.metadata
            if isinstance(mark, Option)
        )

    @cached_property
    def by_spelling(self) -> Mapping[str, Declaration]:
        """The options by the word that is typed."""
        return {declaration.spelling: declaration for declaration in self.declarations}
