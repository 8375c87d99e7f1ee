"""What ``halfmap refine --print_symmetry_ops`` prints."""

import numpy as np
from jaxtyping import Float
from numpy import ndarray as Array

from halfmap.model.symmetry import point_group


def symmetry_text(name: str) -> str:
    """Return the operators of a point group, the identity first, as 3×3 matrices.

    Raises
    ------
    OptionError
        No point group is called so.
    """
    group = point_group(name)
    identity = np.eye(3)
    operators = [identity, *group.right]
    lefts = [identity, *group.left]
    lines = [
        f"{group.name}: {len(operators)} operators. Poses A and L·A·R show the same image; "
        "L is the identity unless it is shown."
    ]
    for number, (left, right) in enumerate(zip(lefts, operators, strict=True), start=1):
        lines += ["", f"R({number}) =", *_rows(right)]
        if not np.array_equal(left, identity):
            lines += [f"L({number}) =", *_rows(left)]
    return "\n".join([*lines, ""])


def _rows(matrix: Float[Array, "3 3"]) -> list[str]:
    # Adding zero turns -0.0 into 0.0.
    return ["  " + " ".join(f"{x + 0.0:10.6f}" for x in np.round(row, 6)) for row in matrix]
