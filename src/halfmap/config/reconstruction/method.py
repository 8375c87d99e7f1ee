"""How slices become a map."""

from typing import Annotated, Literal

from halfmap.config.declare import (
    IMPLEMENTED,
    LATER,
    Expected,
    File,
    Option,
    OptionGroup,
    Range,
    Repeats,
)
from halfmap.config.reconstruction.values import EmanParallelism, Texts


class Method(OptionGroup):
    """Method."""

    mode: Annotated[
        str,
        Option(
            "mode",
            IMPLEMENTED,
            "How samples are spread over voxels: docs/reconstruct.md lists the modes; or "
            "least_squares: the map whose slices are nearest to the images.",
        ),
    ] = "gauss_var"
    symmetry: Annotated[
        str,
        Option(
            "sym",
            IMPLEMENTED,
            "Symmetry: c1, cN, dN, tet, oct, icos (i), icos2; with a .star input RELION's names.",
            differs="i is icos, as EMAN's help says.",
        ),
    ] = "c1"
    fill_angle_deg: Annotated[
        float,
        Range(0.0),
        Option(
            "fillangle",
            IMPLEMENTED,
            "Insert each slice over this range of az and alt as well: the angular step of its "
            "search.",
            differs="The rotation in the plane is kept.",
        ),
    ] = 0.0
    no_radial_correction: Annotated[
        bool,
        Option("noradcor", IMPLEMENTED, "Do not correct for the fall-off that the mode causes."),
    ] = False
    iterative: Annotated[
        bool,
        Option(
            "iterative",
            IMPLEMENTED,
            "Four passes, in which the map of the one before says how the transform changes "
            "within a kernel; --mode and --usessnr do not count.",
        ),
    ] = False
    iteration_mask_file: Annotated[
        File, Option("itermask", IMPLEMENTED, "Mask between the passes of --iterative.")
    ] = None
    seed_map_file: Annotated[
        File,
        Option(
            "seedmap",
            IMPLEMENTED,
            "Begin with this map, which stays where there are no data.",
        ),
    ] = None
    seed_weight: Annotated[
        float,
        Range(0.0),
        Option("seedweight", IMPLEMENTED, "Particles that the seed is worth at each voxel."),
    ] = 1.0
    seed_weight_file: Annotated[
        File,
        Option(
            "seedweightmap",
            IMPLEMENTED,
            "Weights of the seed, as --savenorm writes them; instead of --seedweight.",
            differs="It works.",
        ),
    ] = None
    imitation: Annotated[
        Literal["none", "eman2"],
        Expected("none or eman2"),
        Option(
            "compat",
            IMPLEMENTED,
            "eman2: imitate what e2make3dpar does otherwise (docs/reconstruct.md).",
        ),
    ] = "none"


class Processing(OptionGroup):
    """Processing."""

    preprocess: Annotated[
        Texts,
        Repeats(),
        Expected("a processor, as name:key=value:..."),
        Option(
            "preprocess",
            IMPLEMENTED,
            "Processor of the images, before they are padded; may be given several times "
            "(docs/processors.md).",
            differs="What is unknown is an error, before any work.",
        ),
    ] = ()
    postprocess: Annotated[
        Texts,
        Repeats(),
        Expected("a processor, as name:key=value:..."),
        Option(
            "postprocess",
            IMPLEMENTED,
            "Processor of the finished map; may be given several times (docs/processors.md).",
            differs="What is unknown is an error, before any work.",
        ),
    ] = ()
    structure_factor: Annotated[
        str,
        Expected("the file of a structure factor, auto, or none"),
        Option(
            "setsf",
            IMPLEMENTED,
            "Structure factor that the map is given: a file, auto (strucfac.txt) or none.",
            differs="Shells before the first point of the curve have its value, not 0.",
        ),
    ] = "none"
    zero_alt_edges: Annotated[
        bool,
        Option(
            "altedgemask",
            IMPLEMENTED,
            "Of images tilted by alt, leave out (1 - |cos alt|) / 2 of the padded width on the "
            "left and on the right: the edges that show what the untilted image does not.",
        ),
    ] = False
    seed_is_reference: Annotated[
        bool,
        Option(
            "useseedasref", LATER, "Weight each slice by its agreement with the seed, by radius."
        ),
    ] = False


class Halves(OptionGroup):
    """Tables, halves and ranks."""

    correct_ctf: Annotated[
        bool,
        Option("ctf", IMPLEMENTED, "Correct for the CTF; of .star tables only."),
    ] = False
    halves: Annotated[
        bool,
        Option(
            "halves",
            IMPLEMENTED,
            "Make a map of each half as well (rlnRandomSubset, else every other image), beside "
            "the output, and their FSC.",
        ),
    ] = False
    subset: Annotated[
        int,
        Range(0, 2),
        Option("subset", IMPLEMENTED, "Take one half of a .star table only: 1 or 2; 0 is all."),
    ] = 0
    max_resolution_A: Annotated[
        float,
        Range(0.0, above=True, off=-1.0),
        Option("maxres", IMPLEMENTED, "Leave out finer detail than this (Å)."),
    ] = -1.0
    n_threads: Annotated[
        int,
        Range(1),
        Option(
            "threads",
            IMPLEMENTED,
            "Threads of each rank.",
            differs="The result is the same, to the last bit, for any number.",
        ),
    ] = 4
    parallel: Annotated[
        EmanParallelism,
        Option(
            "parallel",
            IMPLEMENTED,
            "EMAN's way to say where to run: thread:N is --threads N. For mpi:N:FOLDER start the "
            "program as mpirun -n N halfmap reconstruct ...; a line says so.",
            differs="No folder for temporary files is needed.",
        ),
    ] = ""
    dry_run: Annotated[
        bool,
        Option(
            "dry_run", IMPLEMENTED, "Check everything, say what it would take, compute nothing."
        ),
    ] = False
