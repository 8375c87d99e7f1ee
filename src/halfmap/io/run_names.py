"""The names of the files of a run, as RELION has them."""

from dataclasses import dataclass
from pathlib import Path

MASK_FILES = {
    "solvent": "solvent_mask.mrc",
    "levelled": "solvent2.mrc",
    "low_pass": "lowpass_mask.mrc",
}


@dataclass(frozen=True, slots=True)
class RunNames:
    """Names that begin with ``root``, e.g. ``Refine3D/job001/run``.

    ``iteration`` None means the end of a converged run: no number, joined halves.
    ``half`` counts from zero; None means that the set is not split.

    >>> str(RunNames("out/run").map(2, half=0))
    'out/run_it002_half1_class001.mrc'
    >>> str(RunNames("out/run").model(None, half=None))
    'out/run_model.star'
    """

    root: str

    @property
    def quarantine(self) -> Path:
        """Name of the table of bad particles, one for all iterations."""
        return self._path(None, "quarantine.star")

    @property
    def timing(self) -> Path:
        """Name of the table of seconds, one for all iterations."""
        return self._path(None, "timing.csv")

    @property
    def finished(self) -> Path:
        """Name of the file that exists when a run is over."""
        return self._path(None, "finished.txt")

    @property
    def prior(self) -> Path:
        """Name of the table of what a plug-in did, one for all iterations."""
        return self._path(None, "prior.star")

    def prior_log(self, half: int) -> Path:
        """Name of what a plug-in printed for a half, 1 or 2; 0 if the run is not split."""
        return self._path(None, f"half{half}_prior.log" if half else "prior.log")

    def mask(self, name: str) -> Path:
        """Name of a mask that was brought to the grid of the map."""
        return self._path(None, MASK_FILES[name])

    def data(self, iteration: int | None) -> Path:
        """Name of the particle table."""
        return self._path(iteration, "data.star")

    def sampling(self, iteration: int | None) -> Path:
        """Name of the sampling."""
        return self._path(iteration, "sampling.star")

    def optimiser(self, iteration: int | None) -> Path:
        """Name of the options and the state."""
        return self._path(iteration, "optimiser.star")

    def optimisation_set(self, iteration: int | None) -> Path:
        """Name of the set that names the other files (``--ios``)."""
        return self._path(iteration, "optimisation_set.star")

    def exact(self, iteration: int | None) -> Path:
        """Name of the state to the last bit, which only we read."""
        return self._path(iteration, "halfmap.h5")

    def model(self, iteration: int | None, half: int | None) -> Path:
        """Name of the statistics of a half."""
        return self._path(iteration, f"{_half(half)}model.star")

    def map(self, iteration: int | None, half: int | None, class_index: int = 0) -> Path:
        """Name of a map."""
        return self._path(iteration, f"{_half(half)}class{class_index + 1:03d}.mrc")

    def classes(self, iteration: int | None, half: int | None) -> Path:
        """Name of the stack of 2D references."""
        return self._path(iteration, f"{_half(half)}classes.mrcs")

    def unmasked_classes(self, half: int | None) -> Path:
        """Name of the 2D references of the last iteration before their solvent was flattened."""
        return self._path(None, f"{_half(half)}unmasked_classes.mrcs")

    def unfiltered(self, iteration: int | None, half: int, class_index: int = 0) -> Path:
        """Name of a half map without prior, for post-processing."""
        return self._path(iteration, f"{_half(half)}class{class_index + 1:03d}_unfil.mrc")

    def directions(self, iteration: int | None, half: int | None, class_index: int = 0) -> Path:
        """Name of the drawing of the orientation distribution."""
        return self._path(iteration, f"{_half(half)}class{class_index + 1:03d}_angdist.bild")

    def _path(self, iteration: int | None, name: str) -> Path:
        number = "" if iteration is None else f"_it{iteration:03d}"
        return Path(f"{self.root}{number}_{name}")


def _half(half: int | None) -> str:
    return "" if half is None else f"half{half + 1}_"
