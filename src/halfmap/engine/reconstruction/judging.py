"""Options judged by those who know modes, symmetries and processors, before any file is opened."""

from collections.abc import Callable, Iterator

from halfmap.config.reconstruction.options import ReconstructOptions
from halfmap.engine.reconstruction.symmetry import operators_of
from halfmap.errors import OptionError
from halfmap.model.insertion_modes import insertion_mode
from halfmap.steps.processors.registry import checked

CHECKS: tuple[Callable[[ReconstructOptions], object], ...] = (
    lambda options: insertion_mode(options.mode),
    operators_of,
    lambda options: checked(options.preprocess, "preprocess"),
    lambda options: checked(options.postprocess, "postprocess"),
)


def judged(options: ReconstructOptions) -> Iterator[str]:
    """Yield what is wrong with a mode, a symmetry or a processor."""
    for check in CHECKS:
        try:
            check(options)
        except OptionError as error:
            yield str(error)
