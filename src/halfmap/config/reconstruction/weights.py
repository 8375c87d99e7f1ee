"""What each slice counts, and which are left out."""

from typing import Annotated

from halfmap.config.declare import IMPLEMENTED, Option, OptionGroup


class Weights(OptionGroup):
    """Weights and quality."""

    keep: Annotated[
        float,
        Option(
            "keep",
            IMPLEMENTED,
            "Fraction of the slices to keep, those of the smallest quality numbers (class_qual, "
            "or 1 / weight): small is good.",
        ),
    ] = 1.0
    keep_sigma: Annotated[
        bool,
        Option(
            "keepsig",
            IMPLEMENTED,
            "--keep counts standard deviations above the mean instead.",
        ),
    ] = False
    keep_absolute: Annotated[
        bool, Option("keepabs", IMPLEMENTED, "--keep is the largest quality number instead.")
    ] = False
    no_weight: Annotated[
        bool,
        Option("no_wt", IMPLEMENTED, "Weight all slices by 1, not by their particles (ptcl_repr)."),
    ] = False
    root_weight: Annotated[
        bool,
        Option(
            "sqrt_wt",
            IMPLEMENTED,
            "Weight by the square root of the particles; counts before --no_wt.",
        ),
    ] = False
    use_ssnr: Annotated[
        bool,
        Option(
            "usessnr",
            IMPLEMENTED,
            "Weight each radius by class_ssnr of the header; slices without it are left out.",
        ),
    ] = False
