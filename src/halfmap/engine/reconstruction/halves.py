"""Half sets of a reconstruction: their sums joined, their maps compared."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.engine.reconstruction.maps import MadeMap
from halfmap.engine.reconstruction.sums import VolumeSums
from halfmap.model.faint_sums import FaintSums
from halfmap.model.fsc import map_fsc
from halfmap.parallel.collectives import hand_over
from halfmap.parallel.halves import Ranks, meet


def joined(own: Mapping[int, VolumeSums], ranks: Ranks) -> VolumeSums | None:
    """Return the sums over both halves on the root of the first; None elsewhere. Collective.

    Parameters
    ----------
    own
        Of the halves whose root this rank is; those of the first are added to.
    """
    whole = own.get(0)
    for half in range(1, ranks.n_halves):
        other = own.get(half)
        if ranks.roots[half] != ranks.roots[0]:
            other = _brought(whole, other, ranks, half)
        if whole is not None:
            assert other is not None
            volume = whole.volume
            volume += other.volume
            faint = whole.faint + other.faint
            whole = VolumeSums(volume, faint.without_bright(volume.reshape(-1, 3)))
    return whole


def _brought(
    whole: VolumeSums | None, other: VolumeSums | None, ranks: Ranks, half: int
) -> VolumeSums | None:
    """Send the sums of a half from its root to that of the first half."""
    source, target = ranks.roots[half], ranks.roots[0]
    if whole is not None:
        faint: FaintSums = ranks.world.recv(source=source)
        other = VolumeSums(np.empty_like(whole.volume), faint)
    elif other is not None:
        ranks.world.send(other.faint, dest=target)
    if other is not None:
        hand_over(other.volume, ranks.world, source, target)
    return other


def agreement(own: Mapping[int, MadeMap], ranks: Ranks) -> Float[Array, " shell"] | None:
    """Return the FSC of the two half maps on their roots; None elsewhere. Collective over these."""
    if ranks.meeting is None or ranks.n_halves == 1:
        return None
    maps: dict[int, Float32[Array, "z y x"]] = {half: made.density for half, made in own.items()}
    shown = meet(ranks, maps)
    if len(set(shown[0].shape)) > 1 or shown[0].shape[0] % 2:
        return None
    return map_fsc(shown[0], shown[1])
