"""All options of ``halfmap refine`` as one flat, frozen object, and the list of them."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from halfmap.config.catalogue import Catalogue, Declaration
from halfmap.config.computation import Computation
from halfmap.config.corrections import Corrections
from halfmap.config.declare import RESET, OptionGroup
from halfmap.config.expert import Expert
from halfmap.config.forecast import Forecast
from halfmap.config.general import General
from halfmap.config.gradient import Gradient
from halfmap.config.helix import Helix
from halfmap.config.initialisation import IMAGE_OF, Initialisation
from halfmap.config.orientations import Orientations
from halfmap.config.own import Own
from halfmap.config.subtomogram import Subtomogram
from halfmap.errors import OptionError

GROUPS: tuple[type[OptionGroup], ...] = (
    General,
    Initialisation,
    Orientations,
    Corrections,
    Computation,
    Expert,
    Own,
    Forecast,
    Helix,
    Gradient,
    Subtomogram,
)
"""In the order in which help and documentation show them."""

OUR_GROUPS: tuple[type[OptionGroup], ...] = (Own, Forecast)
"""Those whose options RELION does not have."""
DEFAULT_ITERATIONS = 50
LISTS = (".star", ".mrcs")
"""Files with these endings may hold several references."""


class RefineOptions(
    General,
    Initialisation,
    Orientations,
    Corrections,
    Computation,
    Expert,
    Own,
    Forecast,
    Helix,
    Gradient,
    Subtomogram,
):
    """What was asked, option by option, and what follows from a single option or two."""

    @property
    def last_iteration(self) -> int:
        """Iteration after which the run ends at the latest."""
        if self.auto_refine:
            return self.max_auto_iterations
        return self.iterations if self.iterations > 0 else DEFAULT_ITERATIONS

    @property
    def seeds_classes(self) -> bool:
        """Whether classes begin equal, from one map, so that chance has to tell them apart."""
        return self.n_classes > 1 and self.reference_file is not None and not self.lists_references

    @property
    def lists_references(self) -> bool:
        """Whether ``--ref`` may hold a reference for each class; ``3@stack.mrcs`` is one."""
        path = self.reference_file
        return path is not None and path.suffix in LISTS and IMAGE_OF.match(str(path)) is None

    @property
    def begins_flat(self) -> bool:
        """Whether there is no starting map, and class averages (2D) are asked for."""
        return self.reference_file is None and not self.start_from_random_poses

    @property
    def samples_automatically(self) -> bool:
        """Whether the run chooses its steps and ranges itself."""
        return self.auto_refine or self.auto_sampling

    @property
    def keeps_angles(self) -> bool:
        """Whether no orientation is looked for."""
        return self.skip_align or self.skip_rotate

    @property
    def data_weight(self) -> float:
        """Factor of the prior spectrum tau2 in the reconstruction."""
        return self.tau2_fudge if self.tau2_fudge > 0.0 else 1.0

    @property
    def corrects_norm(self) -> bool:
        """Whether normalisation errors are corrected: ``--no_norm`` wins."""
        return self.norm_correction and not self.no_norm_correction

    @property
    def corrects_scale(self) -> bool:
        """Whether intensity scales are corrected: ``--no_scale`` wins."""
        return self.scale_correction and not self.no_scale_correction

    @property
    def has_helper(self) -> bool:
        """Whether a program that is not ours works on the maps."""
        return self.external_reconstruct or self.prior_plug_in != ""


REFINE = Catalogue("refine", GROUPS)


def declarations() -> tuple[Declaration, ...]:
    """Return all options in the order in which they are shown."""
    return REFINE.declarations


def by_spelling() -> Mapping[str, Declaration]:
    """Return the options by the word that is typed."""
    return REFINE.by_spelling


def lasting(options: RefineOptions) -> RefineOptions:
    """Return the options without those that count for one command: what a run is known by."""
    once = {
        declaration.name: declaration.default
        for declaration in declarations()
        if declaration.option.on_continue is RESET
    }
    return options.model_copy(update=once)


def to_mapping(options: RefineOptions) -> dict[str, Any]:
    """Return all options as ``spelling -> value`` of plain types (YAML, JSON)."""
    values = options.model_dump(mode="json")
    return {declaration.spelling: values[declaration.name] for declaration in declarations()}


def from_mapping(mapping: Mapping[str, Any]) -> RefineOptions:
    """Return the options of `to_mapping`; those left out have their defaults.

    Raises
    ------
    OptionError
        An unknown spelling, or a value out of its range.
    """
    known = by_spelling()
    unknown = sorted(set(mapping) - set(known))
    if unknown:
        raise OptionError(
            f"found unknown saved options {', '.join(unknown)}; expected those of this version. "
            "Use the version of halfmap that saved them, or start the run anew"
        )
    named = {known[spelling].name: value for spelling, value in mapping.items()}
    try:
        return RefineOptions.model_validate(named)
    except ValidationError as error:
        raise OptionError(f"saved options cannot be used: {error}") from error
