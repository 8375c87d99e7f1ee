"""Names that should be unique, or the same: images and micrographs."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from halfmap.config.checking import CheckOptions
from halfmap.engine.checking.findings import Finding, Severity
from halfmap.engine.checking.particle_set import ParticleSet
from halfmap.engine.checking.repairs.base import Repaired
from halfmap.io.image_names import split_image_name

_POSE = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")


def unique_images(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Leave out images that are there twice, unless in different orientations."""
    labels = ["rlnImageName", *(label for label in _POSE if label in whole.particles)]
    keys = list(zip(*(whole.particles[label].tolist() for label in labels), strict=True))
    names = [key[0] for key in keys]
    again = _repeated(keys)
    findings = []
    if again.any():
        findings.append(
            Finding(
                Severity.WARNING,
                f"an image is there twice: {names[int(np.argmax(again))]}",
                "each once: a copy in the other half makes the FSC too good",
                rows=whole.file_rows(again),
                repair="the first of them is kept",
            )
        )
    turned = _repeated(names) & ~again
    if turned.any():
        findings.append(
            Finding(
                Severity.WARNING,
                f"an image is there in several orientations: {names[int(np.argmax(turned))]}",
                "each image once, unless the set was expanded by its symmetry",
                "An expanded set wants local searches, and all copies of an image in one half",
                whole.file_rows(turned),
            )
        )
    return (whole.only(~again) if again.any() else whole), findings


def _repeated(keys: Sequence[object]) -> np.ndarray:
    """Tell which keys have been there before."""
    seen: set[object] = set()
    again = np.zeros(len(keys), bool)
    for row, key in enumerate(keys):
        again[row] = key in seen
        seen.add(key)
    return again


def one_micrograph(whole: ParticleSet, _: CheckOptions) -> Repaired:
    """Give the images of one stack one name of their micrograph, where only folders differ."""
    label = "rlnMicrographName"
    if label not in whole.particles:
        return whole, [
            Finding(
                Severity.NOTICE,
                f"there is no {label}: all particles share one intensity scale",
            )
        ]
    stacks = [split_image_name(str(name))[1] for name in whole.particles["rlnImageName"]]
    names = [str(name) for name in whole.particles[label]]
    counts = Counter(zip(stacks, (_last(n) for n in names), names, strict=True))
    best: dict[tuple[str, str], str] = {}
    for stack, last, name in (key for key, _ in counts.most_common()):
        best.setdefault((stack, last), name)
    new = [best[stack, _last(name)] for stack, name in zip(stacks, names, strict=True)]
    wrong = np.array([a != b for a, b in zip(new, names, strict=True)])
    if not wrong.any():
        return whole, []
    row = int(np.argmax(wrong))
    finding = Finding(
        Severity.WARNING,
        f"images of one stack have micrographs that differ in their folder: {names[row]} and "
        f"{new[row]}",
        "one name for one micrograph",
        rows=whole.file_rows(wrong),
        repair="the more frequent name counts",
    )
    return whole.with_particles({label: np.array(new, object)}), [finding]


def _last(name: str) -> str:
    return name.rpartition("/")[2]
