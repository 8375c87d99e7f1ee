"""All options of ``halfmap check`` as one flat, frozen object."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from halfmap.errors import OptionError

Positive = Annotated[float, Field(gt=0)]
TABLES = (".star", ".cs")


class CheckOptions(BaseModel):
    """What was asked; the description of a field is its help."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    table: Annotated[Path, Field(description="particle table: STAR, or .cs of cryoSPARC")]
    deep: Annotated[
        bool,
        Field(description="read every image: NaN, constant, not normalised, truncated, outliers"),
    ] = False
    fix: Annotated[
        bool, Field(description="write a repaired copy; the table itself is never touched")
    ] = False
    o: Annotated[
        Path | None,
        Field(description="name of the repaired copy (default: <table>_fixed.star beside it)"),
    ] = None
    convert: Annotated[
        Path | None,
        Field(description="write the table as .star or .cs, by the end of this name, without loss"),
    ] = None
    original: Annotated[
        Path | None,
        Field(description=".cs file that the set came from, for a STAR file that RELION wrote"),
    ] = None
    overwrite: Annotated[bool, Field(description="replace files that are in the way")] = False
    relative_to: Annotated[
        Path | None, Field(description="folder in which stacks are looked for besides")
    ] = None
    no_stacks: Annotated[
        bool, Field(description="do not look for the stacks: judge the table alone")
    ] = False
    no_ctf: Annotated[
        bool, Field(description="the set is meant for a run without --ctf: its columns may lack")
    ] = False
    redraw_subsets: Annotated[
        bool, Field(description="repair: draw the halves (rlnRandomSubset) of all particles anew")
    ] = False
    random_seed: Annotated[int, Field(ge=0, description="seed of that draw")] = 1
    dark: Annotated[
        bool,
        Field(description="repair: the particles are dark, turn the contrast (rlnCtfScalefactor)"),
    ] = False
    particle_diameter: Annotated[
        Positive | None,
        Field(description="Å; outside it images are background (default: 3/4 of the box)"),
    ] = None
    kv: Annotated[
        Positive | None, Field(description="repair: voltage (kV) where the table has none")
    ] = None
    cs: Annotated[
        float | None,
        Field(ge=0, description="repair: spherical aberration (mm) where the table has none"),
    ] = None
    q0: Annotated[
        float | None,
        Field(ge=0, le=1, description="repair: amplitude contrast where the table has none"),
    ] = None
    angpix: Annotated[
        Positive | None, Field(description="repair: pixel size (Å) where the table has none")
    ] = None


def problems(options: CheckOptions) -> list[str]:
    """Return all that single values cannot say, a sentence each."""
    found = []
    if not options.table.is_file():
        what = "a folder" if options.table.is_dir() else "no such file"
        found.append(f"{options.table}: found {what}, expected a particle table. Check the path")
    if options.o is not None and not options.fix:
        found.append("--o: found without --fix, expected with it: it names the repaired copy")
    if options.original is not None and not options.original.is_file():
        found.append(f"--original {options.original}: found no such file. Check the path")
    if options.relative_to is not None and not options.relative_to.is_dir():
        found.append(f"--relative_to {options.relative_to}: found no such folder. Check the path")
    for flag, path in (("--o", options.o), ("--convert", options.convert)):
        found += [] if path is None else _target_problems(options, flag, path)
    return found


def _target_problems(options: CheckOptions, flag: str, path: Path) -> list[str]:
    if path.suffix not in TABLES:
        return [f"{flag} {path}: expected a name that ends in {' or '.join(TABLES)}"]
    if path.resolve() == options.table.resolve():
        return [f"{flag} {path}: found the table itself, expected another name: it is kept"]
    if path.exists() and not options.overwrite:
        return [f"{flag} {path}: it exists; expected a new name, or --overwrite"]
    if not path.parent.is_dir():
        return [f"{flag} {path}: the folder {path.parent} does not exist; create it first"]
    return []


def repaired_name(options: CheckOptions) -> Path:
    """Return where the repaired copy goes.

    Raises
    ------
    OptionError
        It is there already.
    """
    if options.o is not None:
        return options.o
    path = options.table.with_name(f"{options.table.stem}_fixed.star")
    if path.exists() and not options.overwrite:
        raise OptionError(f"{path} exists; expected a new name (--o), or --overwrite")
    return path
