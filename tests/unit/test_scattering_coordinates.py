import gzip
from pathlib import Path

import gemmi
import numpy as np
import pytest

from halfmap.errors import DataError
from halfmap.io.coordinates import read_atoms

PDB = """\
MODEL        1
ATOM      1  N   ALA A   1      11.000  12.500  -3.250  1.00 20.00           N
ATOM      2  CA AALA A   1      12.000  13.500   3.250  0.60 35.50           C
ATOM      3  CA BALA A   1      12.500  13.500   3.250  0.40 35.50           C
HETATM    4  O   HOH A   2       1.000   2.000   3.000  1.00 50.00           O
ENDMDL
MODEL        2
ATOM      1  S   CYS A   1       0.000   0.000   0.000  1.00 20.00           S
ENDMDL
END
"""


@pytest.fixture
def pdb(tmp_path: Path) -> Path:
    path = tmp_path / "model.pdb"
    path.write_text(PDB)
    return path


def test_the_first_model_is_read_with_occupancies_and_b_factors(pdb: Path) -> None:
    atoms = read_atoms(pdb, keep_water=False)

    names = [atoms.scatterers.names[kind] for kind in atoms.kind]
    assert names == ["N", "C", "C"]
    np.testing.assert_allclose(atoms.positions_A[0], [11.0, 12.5, -3.25])
    np.testing.assert_allclose(atoms.occupancy, [1.0, 0.6, 0.4], rtol=1e-6)
    np.testing.assert_allclose(atoms.b_factor_A2, [20.0, 35.5, 35.5])


def test_water_counts_only_on_request(pdb: Path) -> None:
    assert len(read_atoms(pdb, keep_water=True)) == len(read_atoms(pdb, keep_water=False)) + 1


def test_compressed_mmcif_is_the_same_structure(pdb: Path, tmp_path: Path) -> None:
    cif = tmp_path / "model.cif.gz"
    with gzip.open(cif, "wt") as file:
        file.write(gemmi.read_structure(str(pdb)).make_mmcif_document().as_string())

    from_pdb, from_cif = (read_atoms(path, keep_water=True) for path in (pdb, cif))

    np.testing.assert_allclose(from_cif.positions_A, from_pdb.positions_A)
    np.testing.assert_array_equal(from_cif.kind, from_pdb.kind)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.pdb", None, "no such file"),
        ("empty.pdb", "END\n", "no atoms"),
        ("water.pdb", PDB.splitlines()[4] + "\nEND\n", "no atoms"),
        ("broken.cif", "data_x\nloop_\n_a\n_b\n1 2 3\n", "cannot be read"),
        ("strange.pdb", PDB.replace("           N", "           X"), "atoms of X have no electron"),
    ],
)
def test_a_structure_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, name: str, content: str | None, message: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content)

    with pytest.raises(DataError, match=message) as caught:
        read_atoms(path, keep_water=False)
    assert name in str(caught.value)
