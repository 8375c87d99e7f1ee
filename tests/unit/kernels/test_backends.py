"""Backends by name, and the machine code that is kept of them."""

import hashlib
from pathlib import Path

import pytest

from halfmap.errors import OptionError
from halfmap.kernels.numba_cpu import products
from halfmap.kernels.registry import make_kernels


def test_kept_machine_code_is_forgotten_when_any_file_of_the_kernels_changes() -> None:
    # numba looks at the file of a function only, not at those of the functions it calls
    kept = products.cone_scores._cache._cache_file._source_stamp

    digest = hashlib.sha256()
    for path in sorted(Path(products.__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())

    assert kept[1] == digest.hexdigest()


def test_an_unknown_backend_is_refused_by_name() -> None:
    with pytest.raises(OptionError, match="no kernels are called 'cuda'; expected one of numba"):
        make_kernels("cuda")
