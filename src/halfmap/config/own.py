"""Options that are not in RELION's list."""

from typing import Annotated, Literal

from halfmap.config.declare import (
    FREE,
    IMPLEMENTED,
    RESET,
    Expected,
    File,
    Option,
    OptionGroup,
    Range,
)


class Own(OptionGroup):
    """halfmap's own."""

    continue_from: Annotated[
        File,
        Expected("the _optimiser.star of an iteration, such as run_it007_optimiser.star"),
        Option(
            "continue",
            IMPLEMENTED,
            "Go on after the iteration whose _optimiser.star is named, halfmap's or RELION's. "
            "Options are those of that run; some may be changed.",
            differs="A continued run gives the bytes of the uninterrupted one: RELION draws new "
            "random numbers and forgets some flags.",
            on_continue=RESET,
        ),
    ] = None
    resume: Annotated[
        bool,
        Option(
            "resume",
            IMPLEMENTED,
            "Go on from the last complete iteration under the root of --o if there is one, else "
            "begin: the same command line can be submitted again. Does nothing when the run has "
            "finished (docs/faults.md).",
            on_continue=RESET,
        ),
    ] = False
    stall_seconds: Annotated[
        float,
        Range(0.0),
        Option(
            "stall_seconds",
            IMPLEMENTED,
            "Seconds without a sign of life after which a rank is ended, its Python stack kept in "
            "<root>_stall_rankN.txt. Work takes the time it needs: a unit up to ten times the "
            "longest before. 0 waits for ever (docs/faults.md).",
            on_continue=FREE,
        ),
    ] = 600.0
    overwrite: Annotated[
        bool,
        Option(
            "overwrite",
            IMPLEMENTED,
            "Replace results that exist under the root of --o.",
            on_continue=RESET,
        ),
    ] = False
    normalise: Annotated[
        bool,
        Option(
            "normalise",
            IMPLEMENTED,
            "Bring the background of each image to mean 0 and deviation 1 when it is read.",
        ),
    ] = False
    scratch_float16: Annotated[
        bool,
        Option(
            "scratch_float16",
            IMPLEMENTED,
            "Round images to half precision when they are read, so that copies of float32 stacks "
            "take half the room (--scratch_dir, --preread_images). Results differ in the last "
            "digits from those of full precision, but not with where an image is read. An image "
            "with numbers above 65,504 stays as it is, and is not copied.",
        ),
    ] = False
    scratch_crop_A: Annotated[
        float,
        Range(0.0),
        Option(
            "scratch_crop_A",
            IMPLEMENTED,
            "Resolution (Å) up to which copies of the images hold detail (--scratch_dir, "
            "--preread_images): they are cut in Fourier space, and smaller. Iterations that see no "
            "finer detail take images without it, wherever they are read; others read whole images "
            "from the stacks. 0 cuts nothing (docs/scratch.md).",
        ),
    ] = 0.0
    prior_plug_in: Annotated[
        str,
        Option(
            "prior",
            IMPLEMENTED,
            "Plug-in that regularises each map after its reconstruction: module:function, or the "
            "name that an installed package registers (docs/priors.md). A map that it spoils or "
            "does not give keeps the ordinary prior.",
            on_continue=FREE,
        ),
    ] = ""
    prior_time_limit_s: Annotated[
        float,
        Range(0.0, above=True),
        Option(
            "prior_time_limit",
            IMPLEMENTED,
            "Seconds that the plug-in of --prior has for a map; then it is ended, and the map "
            "keeps the ordinary prior.",
            on_continue=FREE,
        ),
    ] = 600.0
    external_time_limit_s: Annotated[
        float,
        Range(0.0),
        Option(
            "external_time_limit",
            IMPLEMENTED,
            "Seconds after which the program of --external_reconstruct is ended, and the run with "
            "it; 0 waits for ever.",
            on_continue=FREE,
        ),
    ] = 21600.0
    memory_GB: Annotated[
        float,
        Range(0.0),
        Option(
            "memory_GB",
            IMPLEMENTED,
            "Memory (GB) that the ranks of a node may take together; 0 for nine tenths of what is "
            "free when an iteration begins. Where it is short, ranks share sums, units are "
            "inserted in slabs, one half goes after the other, and at last sums are on disc; "
            "results stay the same (docs/large-volumes.md).",
            on_continue=FREE,
        ),
    ] = 0.0
    checkpoint_minutes: Annotated[
        float,
        Range(0.0),
        Option(
            "checkpoint_minutes",
            IMPLEMENTED,
            "Minutes between checkpoints in the middle of an iteration; 0 writes one only when "
            "the run is stopped (SIGTERM, SIGUSR1) or fails. --continue goes on from the last.",
            on_continue=FREE,
        ),
    ] = 10.0
    checkpoint_folder: Annotated[
        File,
        Option(
            "checkpoint_dir",
            IMPLEMENTED,
            "Folder for checkpoints in the middle of an iteration, on a disc that all nodes see; "
            "beside the output unless given.",
            on_continue=FREE,
        ),
    ] = None
    reduction: Annotated[
        Literal["network", "scratch"],
        Expected("network or scratch"),
        Option(
            "reduction",
            IMPLEMENTED,
            "How the sums of the ranks come together: over the network, or, where nodes share "
            "only a disc, through files (scratch) in the folder of the checkpoints. The result is "
            "the same.",
            on_continue=FREE,
        ),
    ] = "network"
    force_converge: Annotated[
        bool,
        Option(
            "force_converge",
            IMPLEMENTED,
            "With --continue: make the next iteration the last one, as if converged.",
            on_continue=RESET,
        ),
    ] = False
    pipeline_control: Annotated[
        str,
        Option(
            "pipeline_control",
            IMPLEMENTED,
            "Folder in which RELION's windows and scheduler look for the file that says how the "
            "job has ended (RELION_JOB_EXIT_SUCCESS, _FAILURE or _ABORTED), and make the file that "
            "asks it to stop (RELION_JOB_ABORT_NOW).",
            differs="A job that is asked to stop leaves a checkpoint first, and ends with code 75.",
            on_continue=RESET,
        ),
    ] = ""
