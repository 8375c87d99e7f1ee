"""``_data.star``: the particle table with what an iteration found, as RELION writes it.

Columns of the input keep their places; those that are missing are appended. Columns that
nobody re-estimates are written as they were read.
"""

from pathlib import Path

from halfmap.io.particle_table import ParticleTable
from halfmap.io.star import Table, write_star
from halfmap.model.particles import Particles, Poses


def write_data_star(
    path: Path, particles: Particles, poses: Poses, table: ParticleTable, *, flat: bool = False
) -> None:
    """Write the optics and the particle table.

    ``rlnRandomSubset`` is written when the set is split. The columns that only an
    expectation can fill are left out before the first, unless the input had them. With 2D
    references (``flat``) nothing is learnt of rot and tilt: those of the input stay.

    Raises
    ------
    DataError
        If the file cannot be written.
    """
    columns = dict(table.particles) | _before_expectation(particles, poses)
    if flat:
        of_input = ("rlnAngleRot", "rlnAngleTilt")
        columns |= {k: table.particles[k] for k in of_input if k in table.particles}
    if particles.half.any():
        columns["rlnRandomSubset"] = particles.half + 1
    results = _after_expectation(poses)
    if poses.n_significant.any():
        columns |= results
    else:
        columns |= {label: results[label] for label in results.keys() & columns.keys()}
    write_star(path, {"optics": table.optics, "particles": columns, **table.attached})


def _before_expectation(particles: Particles, poses: Poses) -> Table:
    return {
        "rlnGroupNumber": particles.scale_group + 1,
        "rlnAngleRot": poses.angles_deg[:, 0],
        "rlnAngleTilt": poses.angles_deg[:, 1],
        "rlnAnglePsi": poses.angles_deg[:, 2],
        "rlnOriginXAngst": poses.offset_A[:, 0],
        "rlnOriginYAngst": poses.offset_A[:, 1],
        "rlnClassNumber": poses.class_index + 1,
        "rlnNormCorrection": poses.norm,
    }


def _after_expectation(poses: Poses) -> Table:
    return {
        "rlnLogLikeliContribution": poses.log_likelihood,
        "rlnMaxValueProbDistribution": poses.max_probability,
        "rlnNrOfSignificantSamples": poses.n_significant,
    }
