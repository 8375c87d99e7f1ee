"""The resolved options beside the result: written with each iteration, read to go on.

The file is a preset that names every option, so it can also start another run.
"""

from pathlib import Path

import yaml

import halfmap
from halfmap.config.options import RefineOptions, to_mapping

OPTIMISER_SUFFIX = "_optimiser.star"
OPTIONS_SUFFIX = "_options.yaml"


def options_file(optimiser_file: Path) -> Path:
    """Return where the options of an iteration are kept, beside its ``_optimiser.star``.

    >>> options_file(Path("job/run_it007_optimiser.star")).as_posix()
    'job/run_it007_options.yaml'
    """
    return optimiser_file.with_name(
        optimiser_file.name.removesuffix(OPTIMISER_SUFFIX) + OPTIONS_SUFFIX
    )


def to_yaml(options: RefineOptions) -> str:
    """Return the text of the options file."""
    head = f"# halfmap {halfmap.__version__}: all options of this run; usable as a preset\n"
    return head + yaml.safe_dump(to_mapping(options), sort_keys=False, allow_unicode=True)
