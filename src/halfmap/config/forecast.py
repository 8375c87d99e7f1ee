"""What is asked of a dry run; nothing of it changes a run."""

from typing import Annotated

from halfmap.config.declare import IMPLEMENTED, RESET, File, Option, OptionGroup, Range


class Forecast(OptionGroup):
    """Forecast."""

    dry_run: Annotated[
        bool,
        Option(
            "dry_run",
            IMPLEMENTED,
            "Check everything as a start does, then forecast memory, time and disc of the whole "
            "run and say how to submit it; nothing is written (docs/forecast.md).",
            on_continue=RESET,
        ),
    ] = False
    plan_ranks: Annotated[
        int,
        Range(0),
        Option(
            "plan_ranks",
            IMPLEMENTED,
            "With --dry_run: forecast for so many ranks; 0 for as many as were launched.",
            on_continue=RESET,
        ),
    ] = 0
    plan_nodes: Annotated[
        int,
        Range(0),
        Option(
            "plan_nodes",
            IMPLEMENTED,
            "With --dry_run: forecast for so many nodes, among which the ranks are divided; 0 for "
            "as many as were launched on.",
            on_continue=RESET,
        ),
    ] = 0
    plan_cores: Annotated[
        int,
        Range(0),
        Option(
            "plan_cores",
            IMPLEMENTED,
            "With --dry_run: cores of each node; 0 for those of this one.",
            on_continue=RESET,
        ),
    ] = 0
    plan_memory_GB: Annotated[
        float,
        Range(0.0),
        Option(
            "plan_memory",
            IMPLEMENTED,
            "With --dry_run: memory (GB) of each node that the run may take; 0 for that of this "
            "node.",
            on_continue=RESET,
        ),
    ] = 0.0
    plan_resolution_A: Annotated[
        float,
        Range(0.0, above=True, off=-1.0),
        Option(
            "plan_resolution",
            IMPLEMENTED,
            "With --dry_run: resolution (Å) at which the run is expected to end; -1 for two thirds "
            "of the Nyquist frequency.",
            on_continue=RESET,
        ),
    ] = -1.0
    plan_file: Annotated[
        File,
        Option(
            "plan_json",
            IMPLEMENTED,
            "With --dry_run: write the forecast to this file as JSON, too. It is the only file "
            "that a dry run writes.",
            on_continue=RESET,
        ),
    ] = None
