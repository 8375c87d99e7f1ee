"""What one seldom needs to touch."""

from typing import Annotated

from halfmap.config.declare import (
    FREE,
    IMPLEMENTED,
    RESET,
    Option,
    OptionGroup,
    Range,
)

OffOrResolution = Annotated[float, Range(0.0, above=True, off=-1.0)]


class Expert(OptionGroup):
    """Expert."""

    padding: Annotated[
        int,
        Range(1, 3),
        Option(
            "pad",
            IMPLEMENTED,
            "The Fourier transform of the map is sampled so many times finer than its box asks.",
            on_continue=FREE,
        ),
    ] = 2
    reference_pixel_size_A: Annotated[
        float,
        Range(0.0, above=True, off=-1.0),
        Option(
            "ref_angpix",
            IMPLEMENTED,
            "Pixel size of the starting map; -1 takes that of its header.",
        ),
    ] = -1.0
    nearest_neighbour: Annotated[
        bool,
        Option(
            "NN",
            IMPLEMENTED,
            "Cut and insert slices at the nearest points of the padded transform, instead of "
            "interpolating linearly.",
            differs="RELION 5 reads other voxels than the nearest with it, and its maps suffer.",
        ),
    ] = False
    nearest_neighbour_min_shell: Annotated[
        int,
        Range(0),
        Option(
            "r_min_nn",
            IMPLEMENTED,
            "Shells below this are interpolated linearly in spite of --NN.",
        ),
    ] = 10
    verbosity: Annotated[
        int,
        Range(0),
        Option(
            "verb",
            IMPLEMENTED,
            "0 is silent but for warnings and errors, 1 shows the progress.",
            on_continue=FREE,
        ),
    ] = 1
    random_seed: Annotated[
        int,
        Range(0, 2**31 - 1, off=-1),
        Option(
            "random_seed",
            IMPLEMENTED,
            "Seed of all random numbers; -1 takes the time, and the seed is saved with the result.",
            differs="The generators are ours: equal seeds do not give RELION's numbers. 0 is a "
            "seed as any other, where RELION leaves the particles in order.",
            label="rlnRandomSeed",
        ),
    ] = -1
    coarse_size_px: Annotated[
        int,
        Range(2, off=-1),
        Option(
            "coarse_size",
            IMPLEMENTED,
            "Largest image size of the first pass; -1 derives it from the angular step.",
            label="rlnMaximumCoarseImageSize",
        ),
    ] = -1
    adaptive_fraction: Annotated[
        float,
        Range(0.0, 1.0, above=True),
        Option(
            "adaptive_fraction",
            IMPLEMENTED,
            "The second pass looks around the fewest poses that hold this fraction of a particle's "
            "probability.",
            differs="Summed exactly; RELION's float32 sums lose a few particles' best pose.",
            label="rlnAdaptiveOversampleFraction",
        ),
    ] = 0.999
    mask_edge_px: Annotated[
        int,
        Range(0),
        Option(
            "maskedge",
            IMPLEMENTED,
            "Width of the soft edge of the circular and spherical masks.",
            label="rlnWidthMaskEdge",
        ),
    ] = 5
    fix_sigma_noise: Annotated[
        bool,
        Option(
            "fix_sigma_noise",
            IMPLEMENTED,
            "Keep the noise spectra of the start.",
            label="rlnFixSigmaNoiseEstimates",
        ),
    ] = False
    fix_sigma_offset: Annotated[
        bool,
        Option(
            "fix_sigma_offset",
            IMPLEMENTED,
            "Keep the standard deviation of the offsets as given by --offset.",
            label="rlnFixSigmaOffsetEstimates",
        ),
    ] = False
    size_increment_shells: Annotated[
        int,
        Range(1),
        Option(
            "incr_size",
            IMPLEMENTED,
            "Shells beyond the present resolution that take part.",
            label="rlnIncrementImageSize",
        ),
    ] = 10
    print_metadata_labels: Annotated[
        bool,
        Option(
            "print_metadata_labels",
            IMPLEMENTED,
            "Print all columns of STAR files that are read or written, with unit and meaning, and "
            "end.",
            on_continue=RESET,
        ),
    ] = False
    print_symmetry_ops: Annotated[
        bool,
        Option(
            "print_symmetry_ops",
            IMPLEMENTED,
            "Print the operators of --sym as 3×3 matrices, and end.",
            on_continue=RESET,
        ),
    ] = False
    likelihood_resolution_limit_A: Annotated[
        OffOrResolution,
        Option(
            "strict_highres_exp",
            IMPLEMENTED,
            "Finer detail than this does not count when poses are compared, in either pass, nor in "
            "the expected accuracies; the map is made of all. -1 sets no limit.",
            label="rlnHighresLimitExpectation",
            on_continue=FREE,
        ),
    ] = -1.0
    likelihood_lowres_limit_A: Annotated[
        OffOrResolution,
        Option(
            "strict_lowres_exp",
            IMPLEMENTED,
            "Coarser detail than this does not count when poses are compared: projections do not "
            "show it. -1 sets no limit.",
            label="rlnLowresLimitExpectation",
        ),
    ] = -1.0
    dont_check_norm: Annotated[
        bool,
        Option(
            "dont_check_norm",
            IMPLEMENTED,
            "Do not check that the background of the images has mean 0 and deviation 1.",
            differs="The check works in parallel runs, too; RELION's is never heard there.",
        ),
    ] = False
    always_cc: Annotated[
        bool,
        Option(
            "always_cc",
            IMPLEMENTED,
            "Assign poses by normalised cross-correlation in all iterations: one pose for each "
            "particle, no noise model. In the sums the noise spectra of the start count.",
            differs="RELION never estimates those spectra here: it divides by zero, and its map "
            "has no prior.",
        ),
    ] = False
    solvent_correct_fsc: Annotated[
        bool,
        Option(
            "solvent_correct_fsc",
            IMPLEMENTED,
            "Correct the FSC for the solvent mask by randomising phases.",
            differs="An error without --solvent_mask or --split_random_halves; RELION then does "
            "nothing and does not say so.",
            label="rlnDoSolventFscCorrection",
            on_continue=FREE,
        ),
    ] = False
    skip_maximisation: Annotated[
        bool,
        Option(
            "skip_maximize",
            IMPLEMENTED,
            "One expectation only: write the poses to <root>_data.star and end.",
            differs="The name has no number on any number of ranks, and rlnNormCorrection counts: "
            "it is part of the expectation.",
            on_continue=RESET,
        ),
    ] = False
    max_quarantined: Annotated[
        int,
        Range(0),
        Option(
            "failsafe_threshold",
            IMPLEMENTED,
            "Unusable particles (NaN, constant, unreadable, or failing in the computation) are set "
            "aside and listed in _quarantine.star; more than so many stop the run.",
            differs="In RELION the option has no effect any more.",
            on_continue=FREE,
        ),
    ] = 40
    external_reconstruct: Annotated[
        bool,
        Option(
            "external_reconstruct",
            IMPLEMENTED,
            "Let another program make each map from the sums: the one that the environment "
            "variable RELION_EXTERNAL_RECONSTRUCT_EXECUTABLE names (arguments may follow it), "
            "relion_external_reconstruct without it. It gets the name of a STAR file.",
            differs="What the program says goes to a .log beside the STAR file that it gets; it is "
            "ended after --external_time_limit. A map that is missing, of another box or not "
            "finite stops the run.",
            label="rlnDoExternalReconstruct",
            on_continue=FREE,
        ),
    ] = False
    max_auto_iterations: Annotated[
        int,
        Range(1),
        Option(
            "auto_iter_max",
            IMPLEMENTED,
            "Auto-refinement ends after so many iterations.",
            on_continue=FREE,
        ),
    ] = 999
    auto_ignore_angles: Annotated[
        bool,
        Option(
            "auto_ignore_angles",
            IMPLEMENTED,
            "Auto-refinement takes finer steps, and ends, without waiting for the poses to settle.",
            differs="Kept by --continue, where RELION forgets it.",
            on_continue=FREE,
        ),
    ] = False
    auto_resolution_angles: Annotated[
        bool,
        Option(
            "auto_resol_angles",
            IMPLEMENTED,
            "Auto-refinement takes finer angular steps as soon as the resolution needs them.",
            differs="Kept by --continue, where RELION forgets it.",
            on_continue=FREE,
        ),
    ] = False
    allow_coarser_sampling: Annotated[
        bool,
        Option(
            "allow_coarser_sampling",
            IMPLEMENTED,
            "Classification takes coarser steps than the given ones while the accuracy of the "
            "poses is poor.",
            on_continue=FREE,
        ),
    ] = False
    trust_reference_size: Annotated[
        bool,
        Option(
            "trust_ref_size",
            IMPLEMENTED,
            "Resample and crop or pad a starting map of another pixel or box size to that of the "
            "particles; without it such a map stops the run.",
            on_continue=FREE,
        ),
    ] = False
    n_noise_particles: Annotated[
        int,
        Range(1),
        Option(
            "nr_parts_sigma2noise",
            IMPLEMENTED,
            "Particles of each optics group from which the first noise spectra are taken.",
        ),
    ] = 1000
    iterative_gridding: Annotated[
        bool,
        Option(
            "dont_skip_gridding",
            IMPLEMENTED,
            "Weight the reconstruction by ten iterations of gridding, as RELION 3 did, instead of "
            "dividing each Fourier voxel by its own weight.",
            differs="The blob that smooths the weights is even. RELION's is off by a sample at one "
            "end, and maps differ by some per cent.",
        ),
    ] = False
    version: Annotated[
        bool,
        Option("version", IMPLEMENTED, "Print the version, and end.", on_continue=RESET),
    ] = False
