"""Gradient-driven refinement, for a later version; what other runs have of it is here already."""

from typing import Annotated

from halfmap.config.declare import FREE, IMPLEMENTED, LATER, Option, OptionGroup, Range


class Gradient(OptionGroup):
    """Gradient refinement."""

    gradient: Annotated[
        bool,
        Option(
            "grad",
            LATER,
            "Refine by gradient steps on random subsets instead of expectation-maximisation.",
            label="rlnDoGradientRefine",
        ),
    ] = False
    n_final_em_iterations: Annotated[
        int,
        Option(
            "grad_em_iters",
            LATER,
            "Iterations of expectation-maximisation at the end of a gradient refinement.",
            label="rlnGradEmIters",
            on_continue=FREE,
        ),
    ] = 0
    gradient_initial_fraction: Annotated[
        float,
        Option(
            "grad_ini_frac",
            LATER,
            "Fraction of the iterations in the first phase, with small subsets.",
            label="rlnSgdInitialIterationsFraction",
            on_continue=FREE,
        ),
    ] = 0.3
    gradient_final_fraction: Annotated[
        float,
        Option(
            "grad_fin_frac",
            LATER,
            "Fraction of the iterations in the last phase, with large subsets.",
            label="rlnSgdFinalIterationsFraction",
            on_continue=FREE,
        ),
    ] = 0.2
    gradient_min_resolution_A: Annotated[
        float,
        Option(
            "grad_min_resol",
            LATER,
            "Resolution to which an underestimated signal is adjusted; RELION reads it without "
            "using it.",
            label="rlnSgdMinimumResolution",
        ),
    ] = 20.0
    gradient_initial_resolution_A: Annotated[
        float,
        Option(
            "grad_ini_resol",
            LATER,
            "Resolution limit of the first phase; RELION stores it without using it.",
            label="rlnSgdInitialResolution",
            on_continue=FREE,
        ),
    ] = -1.0
    gradient_final_resolution_A: Annotated[
        float,
        Option(
            "grad_fin_resol",
            LATER,
            "Resolution limit of the last phase; RELION stores it without using it.",
            label="rlnSgdFinalResolution",
            on_continue=FREE,
        ),
    ] = -1.0
    gradient_initial_subset: Annotated[
        int,
        Option(
            "grad_ini_subset",
            LATER,
            "Particles per iteration in the first phase; -1 derives it from the data set.",
            label="rlnSgdInitialSubsetSize",
            on_continue=FREE,
        ),
    ] = -1
    gradient_final_subset: Annotated[
        int,
        Option(
            "grad_fin_subset",
            LATER,
            "Particles per iteration in the last phase; -1 derives it from the data set.",
            label="rlnSgdFinalSubsetSize",
            on_continue=FREE,
        ),
    ] = -1
    gradient_momentum: Annotated[
        float,
        Option(
            "mu",
            LATER,
            "How much of the former spectra and occupancies survives an iteration.",
            on_continue=FREE,
        ),
    ] = 0.9
    gradient_step: Annotated[
        float,
        Option(
            "grad_stepsize",
            LATER,
            "Step size of the map update; -1 takes that of the kind of run.",
            label="rlnSgdStepsize",
            on_continue=FREE,
        ),
    ] = -1.0
    gradient_step_scheme: Annotated[
        str,
        Option(
            "grad_stepsize_scheme",
            LATER,
            "How the step size changes during the run: `plain` or `<inflate>-step`.",
            label="rlnSgdStepsizeScheme",
            on_continue=FREE,
        ),
    ] = ""
    gradient_write_interval: Annotated[
        int,
        Option(
            "grad_write_iter",
            LATER,
            "Write the files of every so many gradient iterations.",
            label="rlnSgdWriteEverySubset",
            on_continue=FREE,
        ),
    ] = 10
    max_significant_poses: Annotated[
        int,
        Range(1, off=-1),
        Option(
            "maxsig",
            IMPLEMENTED,
            "At most so many poses of a particle, the best ones, go from the first pass to the "
            "second; -1 sets no limit.",
            label="rlnMaximumSignificantPoses",
            on_continue=FREE,
        ),
    ] = -1
    no_initial_blobs: Annotated[
        bool,
        Option(
            "no_init_blobs",
            IMPLEMENTED,
            "Without --ref: begin from the averages of particles in random orientations as they "
            "are, not from random Gaussian blobs of their grey scale.",
        ),
    ] = False
    som: Annotated[
        bool,
        Option("som", LATER, "Arrange the classes in a self-organising map."),
    ] = False
    n_initial_som_nodes: Annotated[
        int, Option("som_ini_nodes", LATER, "Nodes that the map starts with.")
    ] = 2
    som_connectivity: Annotated[
        float, Option("som_connectivity", LATER, "Mean number of neighbours of a node.")
    ] = 5.0
    som_inactivity_threshold: Annotated[
        float,
        Option(
            "som_inactivity_threshold",
            LATER,
            "Activity below which a node is dropped; RELION reads it without using it.",
        ),
    ] = 0.01
    som_neighbour_pull: Annotated[
        float,
        Option("som_neighbour_pull", LATER, "Share of a particle that goes to the neighbours."),
    ] = 0.2
    class_inactivity_threshold: Annotated[
        float,
        Option(
            "class_inactivity_threshold",
            LATER,
            "Replace a class whose share of the particles falls below this fraction of the mean.",
            label="rlnSgdClassInactivityThreshold",
            on_continue=FREE,
        ),
    ] = 0.0
