"""What a reconstruction says and writes."""

from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.config.reconstruction.options import ReconstructOptions
from halfmap.engine.reconstruction.maps import MadeMap
from halfmap.engine.reconstruction.processing import finished
from halfmap.engine.reconstruction.task import Task
from halfmap.engine.telling.console import Console
from halfmap.engine.telling.console_text import duration_text
from halfmap.io.eman.hdf_attributes import Value
from halfmap.io.eman.volumes import write_volume
from halfmap.io.star import write_star
from halfmap.model.slice_table import SliceTable
from halfmap.parallel.halves import Ranks


def tell_plan(console: Console, task: Task, ranks: Ranks) -> None:
    """Say what is about to be made."""
    sizes, n_kept = task.kernel.sizes, len(task.table)
    of = f" of {n_kept + len(task.excluded)}" if len(task.excluded) else ""
    n_operators = len(task.operators) * prod(len(own) for own in task.lattice)
    console.header(
        {
            "input": task.options.input,
            "slices": f"{n_kept:,}{of}, {_product(sizes.image)} px of {task.pixel_size_A:g} Å",
            "padded to": f"{_product(sizes.padded)} px, {_product(sizes.volume)} voxels",
            "symmetry": f"{task.options.symmetry}, {n_operators} operators",
            "mode": task.kernel.mode.name,
            "ranks": f"{ranks.world.size}, {task.options.n_threads} threads each",
        }
    )
    for warning in task.finishing.warnings:
        console.warning(warning)


INSERTED_BYTES, FITTED_BYTES = (24, 12, 28), (144, 1200, 800)
"""Of each voxel of a half volume: integers, the grid of a thread, and what making a map takes."""
GIB = 2.0**30


def tell_forecast(console: Console, task: Task, ranks: Ranks) -> None:
    """Say what a dry run leaves out, and the memory that it would take."""
    n_voxels, options = prod(task.kernel.sizes.half_volume), task.options
    n_halves = max(len(halves) for halves in ranks.served)
    of_sums, of_thread, of_map = FITTED_BYTES if task.kernel.mode.exact else INSERTED_BYTES
    of_rank = n_voxels * (of_sums * n_halves + of_thread * options.n_threads)
    console.header(
        {
            "units of work": len(task.units),
            "memory of a rank": f"{of_rank / GIB:.2f} GiB",
            "making the map": f"{n_voxels * of_map / GIB:.2f} GiB more on one rank",
        }
    )
    console.notice("everything was checked; nothing was computed or written (--dry_run)")


def _product(lengths: tuple[int, ...]) -> str:
    return " x ".join(map(str, lengths))


def tell_end(console: Console, task: Task, seconds: float) -> None:
    """Say what was made, in which time."""
    console.notice(f"{task.options.output} written ({duration_text(seconds)})")


def beside(options: ReconstructOptions, name: str, suffix: str | None = None) -> Path:
    """Return the name of a file that goes with the map."""
    output = options.output
    return output.with_name(f"{output.stem}_{name}{suffix or output.suffix}")


def write_maps(
    task: Task, whole: MadeMap | None, halves: Mapping[int, MadeMap], console: Console
) -> None:
    """Write what this rank has made; half maps without structure factor and processors."""
    options = task.options
    for half, made in halves.items():
        path = beside(options, f"half{half + 1}")
        own = task.table.only(np.flatnonzero(task.table.half == half))
        said = _attributes(own, task.excluded, options)
        write_volume(path, made.density, task.pixel_size_A, said, options.compress_bits)
    if whole is None:
        return
    if options.weight_volume_file is not None:
        write_volume(options.weight_volume_file, whole.weight, 1.0, {})
    said = _attributes(task.table, task.excluded, options)
    done = finished(whole.density, task.pixel_size_A, task.finishing, console.warning)
    write_volume(options.output, done.values, done.pixel_size_A, said, options.compress_bits)


def _attributes(
    kept: SliceTable, excluded: SliceTable, options: ReconstructOptions
) -> dict[str, Value]:
    """Return what the header of an EMAN map says of its slices."""
    said: dict[str, Value] = {
        "ptcl_repr": float(kept.weight.sum()),
        "threed_ptcl_idxs": kept.row.tolist(),
        "threed_ptcl_src": options.input,
    }
    return {**said, "threed_excl_ptcl_idxs": excluded.row.tolist()} if len(excluded) else said


def write_fsc(task: Task, fsc: Float[Array, " shell"]) -> None:
    """Write the FSC of the halves, with RELION's labels."""
    box, pixel_A = task.kernel.sizes.output[0], task.pixel_size_A
    shell = np.arange(len(fsc))
    per_A = shell / (box * pixel_A)
    resolution = np.divide(1.0, per_A, out=np.full(len(fsc), 999.0), where=shell > 0)
    block = {
        "rlnSpectralIndex": shell,
        "rlnResolution": per_A,
        "rlnAngstromResolution": resolution,
        "rlnFourierShellCorrelation": fsc,
    }
    write_star(beside(task.options, "fsc", ".star"), {"fsc": block})
