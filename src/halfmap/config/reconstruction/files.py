"""What is read, which of it is taken, and what is written."""

from pathlib import Path
from typing import Annotated

from halfmap.config.declare import (
    IMPLEMENTED,
    NO_MEANING,
    Expected,
    File,
    Option,
    OptionGroup,
    Range,
)
from halfmap.config.reconstruction.values import (
    MapFile,
    OutputSize,
    PaddedSize,
    SomeMapFile,
    VolumeSize,
)


class Files(OptionGroup):
    """Files."""

    input: Annotated[
        str,
        Expected("projections: an EMAN .hdf, .lst or .lsx, a .star table, or with --tlt a stack"),
        Option(
            "input",
            IMPLEMENTED,
            "Projections of known orientation: an EMAN .hdf, .lst or .lsx file whose headers have "
            "xform.projection, or a particle table of RELION (.star); with --tlt a stack or a "
            "tilt series (.hdf, .mrc, .mrcs, .st). Some images alone: p.hdf:0,5:20^7 are 0, 5 to "
            "19 without 7. Mandatory.",
            differs="Images are taken in the order of the file; lists hold no names of files.",
        ),
    ]
    output: Annotated[
        MapFile,
        Option(
            "output",
            IMPLEMENTED,
            "The map; .hdf files are EMAN's. An old one is replaced when the new one is whole.",
        ),
    ] = Path("threed.hdf")
    tilt_file: Annotated[
        File,
        Expected("a tilt file (.tlt) of IMOD, or None"),
        Option(
            "tlt",
            IMPLEMENTED,
            "Tilt file of IMOD: an angle a line, in degrees, for each image; the tilt axis is y. "
            "It counts instead of the orientations in the headers; all weights are 1.",
        ),
    ] = None
    model_id: Annotated[
        int | None,
        Expected("a whole number"),
        Option("input_model", IMPLEMENTED, "Take only images whose header has this model_id."),
    ] = None
    weight_volume_file: Annotated[
        SomeMapFile,
        Option(
            "savenorm",
            IMPLEMENTED,
            "Write the weights that the map was divided by: x from 0 to Nyquist, y and z centred.",
        ),
    ] = None
    pixel_size_A: Annotated[
        float | None,
        Range(0.0, above=True),
        Option("apix", IMPLEMENTED, "Pixel size that is written, instead of that of the input."),
    ] = None
    compress_bits: Annotated[
        int,
        Range(-1, 16),
        Option(
            "compressbits",
            IMPLEMENTED,
            "Bits a voxel of an .hdf map; 0 compresses without loss, -1 not at all.",
            differs="All bits are kept by default, and always in .mrc maps.",
        ),
    ] = -1
    verbosity: Annotated[
        int,
        Range(0, 9),
        Option(
            "verbose",
            IMPLEMENTED,
            "0 says what was made, 1 shows progress as well; -v is the same.",
            differs="No map is written for each iteration.",
        ),
    ] = 0
    parent_process: Annotated[
        int,
        Option(
            "ppid",
            NO_MEANING,
            "Process that started the program.",
            differs="Programs are found by their launcher.",
        ),
    ] = -1


class Lengths(OptionGroup):
    """Sizes."""

    padded: Annotated[
        PaddedSize,
        Option(
            "pad",
            IMPLEMENTED,
            "Pad images with zeros to this size (px) before they are transformed; -1 chooses about "
            "1.25 times their own.",
            differs="0 is no padding, as EMAN's help says; only even sizes.",
        ),
    ] = ()
    volume: Annotated[
        VolumeSize,
        Option("padvol", IMPLEMENTED, "Size of the volume (voxels); else that of padded images."),
    ] = ()
    output_size: Annotated[
        OutputSize,
        Option("outsize", IMPLEMENTED, "Size of the map (voxels); else that of the images."),
    ] = ()
