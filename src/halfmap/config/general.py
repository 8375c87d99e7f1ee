"""Input, output, and what the run is."""

from math import inf
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from halfmap.config.declare import (
    FREE,
    IMPLEMENTED,
    NO_MEANING,
    Expected,
    File,
    Option,
    OptionGroup,
    Range,
    Root,
)

_STEP = "-step"


def _scheme(value: str) -> str:
    """Refuse a scheme that is neither ``plain`` nor ``<number>-step``; none may be given."""
    if value in ("", "plain"):
        return value
    number = float(value.removesuffix(_STEP))
    if not value.endswith(_STEP) or not 0.0 < number < inf:
        raise ValueError(value)
    return value


class General(OptionGroup):
    """General."""

    particles_file: Annotated[
        Path,
        Expected("the particle table, a STAR file"),
        Option(
            "i",
            IMPLEMENTED,
            "Particle table (STAR) with an optics table (RELION 3.1 or later) or without (3.0). "
            "Mandatory.",
        ),
    ]
    tomo_optimisation_set_file: Annotated[
        File,
        Expected("an optimisation set, a STAR file, or None"),
        Option(
            "ios",
            IMPLEMENTED,
            "Optimisation set (STAR) that stands for --i (rlnTomoParticlesFile), --ref "
            "(rlnTomoReferenceMap1File) and --solvent_mask (rlnTomoReferenceMaskFile) where they "
            "are not given. Each iteration writes <root>_itNNN_optimisation_set.star: its own "
            "particle table, the final half maps, and all other entries as they were.",
            differs="RELION 5 takes the particle table only. A set of tilt series "
            "(rlnTomoTomogramsFile) is refused: there is no subtomogram averaging yet. With "
            "--denovo_3dref the set gives no --ref.",
            on_continue=FREE,
        ),
    ] = None
    output_root: Annotated[
        Root,
        Expected("the root of the output names, such as Refine3D/job001/run"),
        Option(
            "o",
            IMPLEMENTED,
            "Root of all output names: `run` gives run_it001_data.star and so on. Mandatory.",
            differs="A root without a folder means the current folder (RELION stops unless "
            "something of that very name exists). Results that exist already stop the run, "
            "unless --overwrite is given; RELION replaces them.",
            label="rlnOutputRootName",
            on_continue=FREE,
        ),
    ]
    iterations: Annotated[
        int,
        Range(1, off=-1),
        Option(
            "iter",
            IMPLEMENTED,
            "Number of iterations of plain expectation-maximisation; -1 means 50.",
            differs="--auto_refine stops by itself or at --auto_iter_max; where RELION drops an "
            "--iter that is given with it, a notice says so.",
            on_continue=FREE,
        ),
    ] = -1
    tau2_fudge: Annotated[
        float,
        Range(0.0, above=True, off=-1.0),
        Option(
            "tau2_fudge",
            IMPLEMENTED,
            "Weight of the data against the prior in the map; above 1 trusts the data more. "
            "-1 means 1.",
            label="rlnTau2FudgeArg",
            on_continue=FREE,
        ),
    ] = -1.0
    tau2_fudge_scheme: Annotated[
        str,
        AfterValidator(_scheme),
        Expected("plain, or a number above 0 and -step, such as 4.0-step"),
        Option(
            "tau2_fudge_scheme",
            NO_MEANING,
            "How --tau2_fudge grows during a gradient refinement: `plain` or `<deflate>-step`.",
            differs="A run that is not by gradient keeps one --tau2_fudge, as in RELION.",
            label="rlnTau2FudgeScheme",
            on_continue=FREE,
        ),
    ] = ""
    n_classes: Annotated[
        int,
        Range(1),
        Option(
            "K",
            IMPLEMENTED,
            "Number of classes: maps refined side by side, each with its own share of every "
            "particle. From one --ref they begin equal, and in the first iteration each particle "
            "is drawn into one of them.",
            differs="Where --ref lists references their number counts, as in RELION; a notice says "
            "so. A class without particles stays, with an empty map, and is named in the end.",
        ),
    ] = 1
    particle_diameter_A: Annotated[
        float,
        Range(0.0, above=True, off=-1.0),
        Option(
            "particle_diameter",
            IMPLEMENTED,
            "Diameter of the circular mask on the images and of the spherical one on the map; "
            "-1 means the box less the soft edge.",
            label="rlnParticleDiameter",
            on_continue=FREE,
        ),
    ] = -1.0
    zero_mask: Annotated[
        bool,
        Option(
            "zero_mask",
            IMPLEMENTED,
            "Fill the background of the images with its mean instead of random noise.",
            label="rlnDoZeroMask",
        ),
    ] = False
    flatten_solvent: Annotated[
        bool,
        Option(
            "flatten_solvent",
            IMPLEMENTED,
            "Multiply the map by the solvent mask after each iteration but the last.",
            label="rlnDoSolventFlattening",
            on_continue=FREE,
        ),
    ] = False
    solvent_mask_file: Annotated[
        File,
        Expected("a mask, an MRC file, or None"),
        Option(
            "solvent_mask",
            IMPLEMENTED,
            "Mask of the map (MRC, values in [0, 1]); without one a soft sphere of "
            "--particle_diameter.",
            label="rlnSolventMaskName",
            on_continue=FREE,
        ),
    ] = None
    second_solvent_mask_file: Annotated[
        File,
        Expected("a mask, an MRC file, or None"),
        Option(
            "solvent_mask2",
            IMPLEMENTED,
            "Region of the map that is set to its own mean density, such as the inside of a virus; "
            "with --flatten_solvent.",
            label="rlnSolventMask2Name",
            on_continue=FREE,
        ),
    ] = None
    lowpass_mask_file: Annotated[
        File,
        Expected("a mask, an MRC file, or None"),
        Option(
            "lowpass_mask",
            IMPLEMENTED,
            "Region that is kept at the low resolution of --lowpass instead of being flattened.",
            differs="As the other masks it may be of another box or pixel size than the map.",
            on_continue=FREE,
        ),
    ] = None
    lowpass_mask_resolution_A: Annotated[
        float,
        Range(0.0),
        Option("lowpass", IMPLEMENTED, "Resolution of --lowpass_mask.", on_continue=FREE),
    ] = 0.0
    tau2_spectrum_file: Annotated[
        File,
        Expected("a spectrum of the prior, a STAR file, or None"),
        Option(
            "tau",
            IMPLEMENTED,
            "STAR file with the prior spectrum tau2 (rlnSpectralIndex, rlnReferenceTau2), which "
            "then stays as it is, for all classes.",
            differs="Every shell of the box must be there.",
            label="rlnTauSpectrumName",
            on_continue=FREE,
        ),
    ] = None
    local_symmetry_file: Annotated[
        File,
        Expected("masks and operators, a STAR file, or None"),
        Option(
            "local_symmetry",
            IMPLEMENTED,
            "STAR file with masks of parts that are alike and the operators from each to its "
            "copies (rlnMaskName, rlnAngleRot, ...Tilt, ...Psi, rlnOriginXAngst, ...Y, ...Z): the "
            "parts are averaged after each iteration but the last.",
            label="rlnLocalSymmetryFile",
        ),
    ] = None
    split_random_halves: Annotated[
        bool,
        Option(
            "split_random_halves",
            IMPLEMENTED,
            "Refine two halves of the particles apart from each other (gold standard).",
            differs="Works on any number of ranks from 1; RELION needs an odd number of 3 or more.",
            label="rlnDoSplitRandomHalves",
        ),
    ] = False
    join_halves_resolution_A: Annotated[
        float,
        Range(0.0, above=True, off=-1.0),
        Option(
            "low_resol_join_halves",
            IMPLEMENTED,
            "Up to this resolution both halves get the average of the two maps, so that they keep "
            "the same orientation; -1 keeps them wholly apart.",
            label="rlnJoinHalvesUntilThisResolution",
        ),
    ] = -1.0
    center_classes: Annotated[
        bool,
        Option(
            "center_classes",
            IMPLEMENTED,
            "Move each map to the centre of mass of its positive voxels after each iteration but "
            "the last, by --offset_range at most; not with --split_random_halves.",
            label="rlnDoCenterClasses",
        ),
    ] = False
