"""``--external_reconstruct``: another program makes the map from the sums of a class."""

import os
import shlex
import shutil
from pathlib import Path
from typing import NamedTuple

from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.config.options import RefineOptions
from halfmap.engine.helping.helper_program import run_helper
from halfmap.engine.job import Job
from halfmap.errors import OptionError
from halfmap.io.external_reconstruction import (
    FSC,
    ExternalNames,
    read_result,
    read_spectrum,
    write_request,
    write_sums,
)
from halfmap.io.run_names import RunNames
from halfmap.model.padded_transform import padded_box
from halfmap.model.schedule import Schedule
from halfmap.model.sums import FourierSums
from halfmap.model.touched_voxels import planes
from halfmap.steps.external_sums import with_correlation, with_signal, zero_first
from halfmap.steps.maximisation import Spectra

VARIABLE = "RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE"
DEFAULT_PROGRAM = "relion_external_reconstruct"


class Reconstructed(NamedTuple):
    """What came back for one class."""

    volume: Float32[Array, "z y x"]
    spectra: Spectra
    fsc: Float[Array, " shell"]
    unmasked: Float32[Array, "z y x"] | None = None
    """Before its solvent was flattened, when it is finished."""


def program_words() -> list[str]:
    """Return the program, and arguments that go before the name of the STAR file."""
    named = os.environ.get(VARIABLE, "").strip() or DEFAULT_PROGRAM
    return [named] if Path(named).is_file() else shlex.split(named)


def check_program(options: RefineOptions) -> None:
    """Refuse to start when the program is not there.

    Raises
    ------
    OptionError
        With what to set.
    """
    program = program_words()[0]
    if options.external_reconstruct and shutil.which(program) is None:
        raise OptionError(
            f"--external_reconstruct: found no program {program}, expected one that makes maps. "
            f"Name it in the environment variable {VARIABLE}"
        )


def externally_reconstructed(
    job: Job,
    schedule: Schedule,
    half: int | None,
    k: int,
    sums: FourierSums,
    known: tuple[Spectra, Float[Array, " shell"]],
) -> Reconstructed:
    """Write the sums of a class, let the program make the map, and read what it made.

    Parameters
    ----------
    half, k
        Half (None: all data) and class, from zero.
    sums
        Hermitian and symmetrised.
    known
        Spectra of the class, and the FSC.

    Raises
    ------
    ProgramError, DataError
        If the program fails, or what it makes is no map.
    """
    estimate, fsc = known
    of_map = RunNames(str(job.options.output_root)).map(schedule.iteration, half, k)
    names = ExternalNames(str(of_map.with_suffix("")))
    padded = padded_box(job.box, sums.padding)
    for path, values in zip(names.arrays, sums.values.T, strict=True):
        write_sums(path, zero_first(planes(values, sums.sphere), sums.sphere, padded))
    general = {
        "rlnTau2FudgeFactor": float(job.options.data_weight),
        "rlnPaddingFactor": float(sums.padding),
        "rlnReferenceDimensionality": 2 if sums.sphere.flat else 3,
        "rlnOriginalImageSize": job.box,
        "rlnCurrentImageSize": 2 * sums.r_max,
        "rlnPixelSize": float(job.pixel_size_A),
        "rlnParticleDiameter": float(job.schedule_rules.particle_diameter_A),
    }
    write_request(names, general, estimate.signal_variance, fsc)
    run_helper([*program_words(), str(names.star)], names.log, job.options.external_time_limit_s)
    depth = 1 if sums.sphere.flat else job.box
    volume = read_result(names, (depth, job.box, job.box))
    found = read_spectrum(names, len(estimate.signal_variance))
    if found is None:
        return Reconstructed(volume, estimate, fsc)
    label, spectrum = found
    if label != FSC:
        return Reconstructed(volume, with_signal(estimate, spectrum), fsc)
    weight, whole = job.options.data_weight, half is None
    spectra = with_correlation(estimate, spectrum, weight, whole=whole)
    return Reconstructed(volume, spectra, spectrum)
