"""Which files of a folder belong to a run.

A run is named by its root, ``Refine3D/job001/run``; its files are ``<root>_it003_...`` and,
at the end, ``<root>_...``. A continued run has the root ``run_ct3``; what came before it is
found under ``run``.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from halfmap.errors import DataError

_OPTIMISER = re.compile(r"^(?P<root>.+?)(?:_it(?P<iteration>\d{3,}))?_optimiser\.star$")
_CONTINUED = re.compile(r"^(?P<parent>.+)_ct(?P<iteration>\d+)$")


@dataclass(frozen=True, slots=True)
class StateFiles:
    """Files of one iteration, or of the end of a run; each may be absent."""

    prefix: Path
    """Their common beginning, such as ``job001/run_it003``."""
    iteration: int | None
    """None at the end of a converged run."""

    @property
    def optimiser(self) -> Path:
        """Decisions and options."""
        return self._file("_optimiser.star")

    @property
    def sampling(self) -> Path:
        """Steps and ranges of the search."""
        return self._file("_sampling.star")

    @property
    def options(self) -> Path:
        """Every option and its value, where halfmap wrote the run."""
        return self._file("_options.yaml")

    @property
    def particles(self) -> Path:
        """Poses of all particles."""
        return self._file("_data.star")

    @property
    def models(self) -> dict[str, Path]:
        """Statistics, by name of the half (``half 1``, ``half 2``, or ``joined``)."""
        return self._of_each_half("_model.star")

    @property
    def maps(self) -> dict[str, Path]:
        """Maps by name of the half, unfiltered ones at the end; by class if there are several."""
        if self._file("_class002.mrc").is_file():
            files = {f"class {k}": self._file(f"_class{k:03d}.mrc") for k in range(1, 1000)}
            return {name: file for name, file in files.items() if file.is_file()}
        return self._of_each_half("_class001.mrc") | self._of_each_half("_class001_unfil.mrc")

    @property
    def classes(self) -> Path:
        """2D references, in a run that has them."""
        return self._file("_classes.mrcs")

    def _of_each_half(self, suffix: str) -> dict[str, Path]:
        names = {"joined": suffix, "half 1": f"_half1{suffix}", "half 2": f"_half2{suffix}"}
        files = {half: self._file(name) for half, name in names.items()}
        return {half: file for half, file in files.items() if file.is_file()}

    def _file(self, suffix: str) -> Path:
        return self.prefix.with_name(self.prefix.name + suffix)


@dataclass(frozen=True, slots=True)
class RunFiles:
    """All files of a run."""

    root: Path
    iterations: tuple[StateFiles, ...]
    """In order; those before a continuation are included."""
    end: StateFiles | None
    """What a converged run leaves without an iteration number."""

    @property
    def states(self) -> tuple[StateFiles, ...]:
        """Every iteration, and the end."""
        return self.iterations if self.end is None else (*self.iterations, self.end)

    @property
    def timing(self) -> Path:
        """Seconds by iteration, rank and phase."""
        return self.root.with_name(f"{self.root.name}_timing.csv")

    @property
    def quarantine(self) -> Path:
        """Images that were set aside."""
        return self.root.with_name(f"{self.root.name}_quarantine.star")

    @property
    def prior(self) -> Path:
        """What became of the maps that a plug-in for the prior was given."""
        return self.root.with_name(f"{self.root.name}_prior.star")

    def all(self) -> list[Path]:
        """Return every file whose name begins as the root does, pages excepted, sorted."""
        own = (f for f in self.root.parent.iterdir() if f.is_file() and f.suffix != ".html")
        return sorted(f for f in own if re.match(rf"{re.escape(self.root.name)}[_.]", f.name))


def find_run(argument: Path) -> RunFiles:
    """Return the files of the run that a user means.

    Parameters
    ----------
    argument
        A root (``job001/run``), the folder of one run, or any file of a run.

    Raises
    ------
    DataError
        Nothing there is a run, or a folder holds several.
    """
    root = _root_of(argument)
    states = list(_states(root))
    # A later state of the same number replaces an earlier one: the continuation wrote it anew.
    numbered = {s.iteration: s for s in states if s.iteration is not None}
    end = next((s for s in states if s.iteration is None), None)
    return RunFiles(root, tuple(numbered[i] for i in sorted(numbered)), end)


def _states(root: Path) -> Iterator[StateFiles]:
    """Yield the states of a run, those of the runs it continues first."""
    continued = _CONTINUED.match(root.name)
    if continued:
        last = int(continued["iteration"])
        for state in _states(root.with_name(continued["parent"])):
            if state.iteration is not None and state.iteration <= last:
                yield state
    for name, iteration in _optimisers(root.parent):
        if name == root.name:
            suffix = "" if iteration is None else f"_it{iteration:03d}"
            yield StateFiles(root.with_name(name + suffix), iteration)


def _optimisers(folder: Path) -> Iterator[tuple[str, int | None]]:
    """Yield root name and iteration of every optimiser file of a folder."""
    if not folder.is_dir():
        return
    for file in sorted(folder.iterdir()):
        match = _OPTIMISER.match(file.name)
        if match:
            number = match["iteration"]
            yield match["root"], None if number is None else int(number)


def _root_of(argument: Path) -> Path:
    if argument.is_dir():
        roots = sorted({name for name, _ in _optimisers(argument)})
        if roots:
            return argument / _only_run(argument, roots)
    roots = [name for name, _ in _optimisers(argument.parent)]
    if argument.name in roots:
        return argument
    owners = [name for name in roots if argument.name.startswith(f"{name}_")]
    if owners and argument.is_file():
        return argument.with_name(max(owners, key=len))
    nearby = f" Runs in {argument.parent}: {', '.join(sorted(set(roots)))}." if roots else ""
    raise DataError(
        f"no run found at {argument}: expected {argument}_optimiser.star or "
        f"{argument}_it000_optimiser.star, or a folder with such a file.{nearby} "
        f"Give the value of --o of the refinement, or a map of halfmap reconstruct that has its "
        f"<map>_reconstruction.h5 beside it."
    )


def _only_run(folder: Path, roots: list[str]) -> str:
    """Return the one run of a folder; of a run and its continuations, the latest."""
    beginnings = {name.split("_ct")[0] for name in roots}
    if len(beginnings) > 1:
        raise DataError(
            f"{folder} holds {len(roots)} runs: {', '.join(roots)}; expected one. "
            f"Name the one you mean, as in: halfmap report {folder / roots[0]}"
        )
    return max(roots, key=lambda name: [int(n) for n in re.findall(r"_ct(\d+)", name)])
