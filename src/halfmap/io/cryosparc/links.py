"""What cryoSPARC and RELION both have a column for, and how one becomes the other.

Conventions (docs/check.md has the table; ``tests/unit/cryosparc`` pins them):

* ``pose`` is the rotation vector v of the map; the matrix A of `halfmap.model.rotations` is the
  transpose of the rotation by |v| about v;
* ``shift`` is the shift that centres the image, in pixels of ``psize_A``: RELION's sign;
* ``blob/sign`` -1 says that particles are dark. In a STAR file that is a CTF of the other sign,
  ``rlnCtfScalefactor`` -1;
* ``ctf/anisomag`` is the magnification matrix, which acts on frequencies, less the identity;
* ``ctf/tilt_A`` is the spherical aberration times the tilt of the beam.
"""

from collections.abc import Collection

from halfmap.io.cryosparc.ctf_links import ctf_links
from halfmap.io.cryosparc.image_links import image_links
from halfmap.io.cryosparc.link import Link
from halfmap.io.cryosparc.location_links import location_links
from halfmap.io.cryosparc.pose_links import pose_links


def links(names: Collection[str]) -> tuple[Link, ...]:
    """Return the links of a file that has these fields.

    Poses are those of the 3D alignment; without one, those of the 2D alignment.
    """
    in_plane = "alignments3D/pose" not in names and "alignments2D/pose" in names
    alignment = "alignments2D" if in_plane else "alignments3D"
    return (*image_links(), *ctf_links(), *pose_links(alignment), *location_links())
