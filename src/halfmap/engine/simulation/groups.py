"""The optics groups of a simulated data set, where a table lists them."""

from dataclasses import replace

import numpy as np

from halfmap.engine.simulation.options import SimulateOptions
from halfmap.io.image_names import find_beside
from halfmap.io.optics_table import read_optics
from halfmap.io.problems import refuse
from halfmap.io.star import Table, read_star
from halfmap.io.star_columns import ColumnReader
from halfmap.model.optics import Optics


def listed_groups(options: SimulateOptions) -> tuple[tuple[Optics, ...], Table]:
    """Return the groups of ``--optics`` and their table; nothing if it was not given.

    Raises
    ------
    DataError
        A table that cannot be used.
    """
    path = options.optics_file
    if path is None:
        return (), {}
    table = dict(read_star(path).table("optics"))
    problems: list[str] = []
    groups = read_optics(ColumnReader(table, "data_optics", problems), path.parent, ctf=True)
    refuse(path, problems)
    table["rlnOpticsGroup"] = np.arange(1, len(groups) + 1)
    if "rlnMtfFileName" in table:
        found = [str(find_beside(str(name), path.parent)) for name in table["rlnMtfFileName"]]
        table["rlnMtfFileName"] = np.array(found)
    return groups, table


def on_grid_of(options: SimulateOptions, groups: tuple[Optics, ...]) -> SimulateOptions:
    """Return the options with the number of groups, and the first one's grid for the map."""
    if not groups:
        return options
    grid, n = groups[0], len(groups)
    return replace(options, box=grid.box, pixel_size_A=grid.pixel_size_A, n_optics_groups=n)
