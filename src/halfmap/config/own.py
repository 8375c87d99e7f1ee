"""Options that are not in RELION's list."""

from typing import Annotated

from halfmap.config.declare import (
    FREE,
    IMPLEMENTED,
    LATER,
    NO_MEANING,
    RESET,
    Expected,
    File,
    Option,
    OptionGroup,
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
    dry_run: Annotated[
        bool,
        Option(
            "dry_run",
            LATER,
            "Check everything and forecast memory, time and disc; compute nothing.",
            on_continue=RESET,
        ),
    ] = False
    force_converge: Annotated[
        bool,
        Option(
            "force_converge",
            LATER,
            "With --continue: make the next iteration the last one, as if converged.",
            on_continue=RESET,
        ),
    ] = False
    pipeline_control: Annotated[
        str,
        Option(
            "pipeline_control",
            NO_MEANING,
            "Folder in which RELION's scheduler looks for marker files.",
            differs="No marker files are written.",
            on_continue=FREE,
        ),
    ] = ""
