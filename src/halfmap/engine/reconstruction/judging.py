"""Options judged by those who know modes and symmetries, before any file is opened."""

from collections.abc import Callable, Iterator

from halfmap.config.reconstruction.options import ReconstructOptions
from halfmap.engine.reconstruction.symmetry import operators_of
from halfmap.errors import OptionError
from halfmap.model.insertion_modes import insertion_mode

CHECKS: tuple[Callable[[ReconstructOptions], object], ...] = (
    lambda options: insertion_mode(options.mode),
    operators_of,
)


def judged(options: ReconstructOptions) -> Iterator[str]:
    """Yield what is wrong with a mode or a symmetry."""
    for check in CHECKS:
        try:
            check(options)
        except OptionError as error:
            yield str(error)
