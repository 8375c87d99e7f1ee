"""``--prior``: a plug-in regularises the maps of each half, and is looked over the shoulder."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32
from numpy import ndarray as Array

from halfmap.config.options import RefineOptions
from halfmap.engine.helping.prior_process import PriorFailure, PriorProcess
from halfmap.errors import OptionError
from halfmap.io.prior_star import USED
from halfmap.io.run_names import RunNames
from halfmap.model.prior_input import PriorInput
from halfmap.steps.prior_gate import refusal


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one map that a plug-in was given."""

    iteration: int
    half: int
    """1 or 2; 0 if the run is not split."""
    class_number: int
    outcome: str
    """`USED`, or why not."""


class Priors:
    """The plug-ins that this rank keeps: one process for each half whose root it is.

    No process ever gets maps of two halves, so that a plug-in cannot carry anything across.
    """

    def __init__(self, options: RefineOptions) -> None:
        self._options = options
        self._processes: dict[int, PriorProcess] = {}
        self._verdicts: list[Verdict] = []

    @property
    def wanted(self) -> bool:
        """Whether there is a plug-in at all."""
        return bool(self._options.prior_plug_in)

    def regularised(self, half: int, given: PriorInput) -> Float32[Array, "z y x"]:
        """Return the map of the plug-in, or the ordinary one where that cannot be used.

        Parameters
        ----------
        half
            1 or 2; 0 if the run is not split.
        """
        try:
            made = self._process(half).regularised(given)
            outcome = refusal(given.map, made) or USED
        except PriorFailure as failure:
            outcome = str(failure)
        self._verdicts.append(Verdict(given.iteration, half, given.class_number, outcome))
        return given.map if outcome != USED else np.asarray(made, np.float32)

    def take_verdicts(self) -> list[Verdict]:
        """Return what became of the maps since the last call."""
        taken, self._verdicts = self._verdicts, []
        return taken

    def close(self) -> None:
        """End all processes."""
        for process in self._processes.values():
            process.close()

    def _process(self, half: int) -> PriorProcess:
        if half not in self._processes:
            options = self._options
            log = RunNames(str(options.output_root)).prior_log(half)
            limit_s = options.prior_time_limit_s
            self._processes[half] = PriorProcess(options.prior_plug_in, log, limit_s)
        return self._processes[half]


def check_prior(options: RefineOptions) -> None:
    """Refuse to start when the plug-in cannot be loaded.

    Raises
    ------
    OptionError
        With what loading it said.
    """
    if not options.prior_plug_in:
        return
    process = PriorProcess(options.prior_plug_in, None, options.prior_time_limit_s)
    try:
        process.load()
    except PriorFailure as failure:
        raise OptionError(
            f"--prior {options.prior_plug_in}: loading it {failure}; expected a function, as "
            f"module:function (looked for in {Path.cwd()} and where Python looks) or the name of "
            "a registered one. See docs/priors.md"
        ) from failure
    finally:
        process.close()
