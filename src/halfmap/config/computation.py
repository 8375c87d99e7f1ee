"""How it is computed: threads, memory, disc, devices. No result depends on it."""

from typing import Annotated

from halfmap.config.declare import (
    FREE,
    IMPLEMENTED,
    NO_MEANING,
    RESET,
    Expected,
    File,
    Option,
    OptionGroup,
    Range,
)


class Computation(OptionGroup):
    """Computation."""

    pool_size: Annotated[
        int,
        Range(1),
        Option(
            "pool",
            NO_MEANING,
            "Particles per task of a RELION thread.",
            differs="Work is cut into units that depend on the data and the seed alone, so that "
            "the result does not depend on the number of threads or ranks.",
            on_continue=FREE,
        ),
    ] = 1
    n_threads: Annotated[
        int,
        Range(1),
        Option(
            "j",
            IMPLEMENTED,
            "Threads of each rank.",
            differs="The result is the same, to the last bit, for any number.",
            on_continue=FREE,
        ),
    ] = 1
    combine_weights_over_network: Annotated[
        bool,
        Option(
            "dont_combine_weights_via_disc",
            NO_MEANING,
            "Send the sums of the ranks over the network instead of through files.",
            differs="Sums go over the network unless --reduction scratch is given; RELION sends "
            "them through files unless told so.",
            on_continue=FREE,
        ),
    ] = False
    shifts_on_the_fly: Annotated[
        bool,
        Option(
            "onthefly_shifts",
            NO_MEANING,
            "Compute shifted images when they are needed instead of keeping them.",
            differs="The kernels choose what to keep by the size of the search.",
            on_continue=FREE,
        ),
    ] = False
    no_parallel_disc_io: Annotated[
        bool,
        Option(
            "no_parallel_disc_io",
            IMPLEMENTED,
            "Let only one thread of each node read stacks at a time, for discs that suffer from "
            "many readers.",
            differs="RELION reads everything on the leader and sends it; here each rank reads what "
            "it needs, in turn.",
            on_continue=RESET,
        ),
    ] = False
    preread_images: Annotated[
        bool,
        Option(
            "preread_images",
            IMPLEMENTED,
            "Copy the images into the memory of each node while the first iteration computes "
            "(docs/scratch.md).",
            differs="A node holds one copy for all its ranks, in at most half of the memory that "
            "is free; images that do not fit are read from their stacks.",
            on_continue=RESET,
        ),
    ] = False
    scratch_dir: Annotated[
        File,
        Expected("a folder on a disc of each node, or None"),
        Option(
            "scratch_dir",
            IMPLEMENTED,
            "Folder on a local disc of each node, to which the images are copied while the first "
            "iteration computes (docs/scratch.md).",
            differs="Runs share their copies, and take none of a stack that has changed; what does "
            "not fit is read from its stack.",
            on_continue=RESET,
        ),
    ] = None
    keep_free_scratch_GB: Annotated[
        float,
        Range(0.0),
        Option(
            "keep_free_scratch",
            IMPLEMENTED,
            "Space (GB) to be left free on the scratch disc.",
            on_continue=RESET,
        ),
    ] = 10.0
    reuse_scratch: Annotated[
        bool,
        Option(
            "reuse_scratch",
            IMPLEMENTED,
            "Use the images that are on the scratch disc, and copy no more.",
            differs="Copies are used only if they are of the stacks as they are now, an image only "
            "if it is what was written.",
            on_continue=RESET,
        ),
    ] = False
    keep_scratch: Annotated[
        bool,
        Option(
            "keep_scratch",
            IMPLEMENTED,
            "Leave the copied images on the scratch disc at the end.",
            differs="They go when a later run has used them without this option, or when their "
            "stack has changed.",
            on_continue=RESET,
        ),
    ] = False
    fast_subsets: Annotated[
        bool,
        Option(
            "fast_subsets",
            IMPLEMENTED,
            "Use growing random subsets of the particles in the first 15 iterations: 1,500 a class "
            "(100 a 2D class), from the sixth three times as many, from the eleventh at least 0.3 "
            "of all. Statistics are those of the subset.",
            label="rlnDoFastSubsetOptimisation",
        ),
    ] = False
    gpu_devices: Annotated[
        str | None,
        Option(
            "gpu",
            NO_MEANING,
            "Use graphics processors; an optional list of devices may follow.",
            differs="No graphics processor is used: processor cores compute, and find the same.",
            on_continue=FREE,
        ),
    ] = None
    free_gpu_memory_MB: Annotated[
        float,
        Range(0.0),
        Option(
            "free_gpu_memory",
            NO_MEANING,
            "Memory to be left free on each graphics processor.",
            differs="No graphics processor is used.",
            on_continue=FREE,
        ),
    ] = 0.0
