"""Reading ``_model.star`` and its maps back into a `HalfModel`."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32
from numpy import ndarray as Array

from halfmap.errors import DataError
from halfmap.io.model_star import ModelHeader
from halfmap.io.problems import refuse
from halfmap.io.references import beside, file_of, read_reference
from halfmap.io.star import StarFile, read_star
from halfmap.io.star_columns import ColumnReader, one_row
from halfmap.model.half_model import HalfModel
from halfmap.model.interpolation import Interpolation


def read_model_star(path: Path) -> tuple[HalfModel, ModelHeader]:
    """Read the statistics and maps of a half, ours or of RELION 3.1 or later.

    Numbers have the six digits of the file. Maps are looked for as named, else beside
    the file.

    Raises
    ------
    DataError
        Lists all that is missing; or if a map cannot be read or has another box.
    """
    star = read_star(path)
    problems: list[str] = []
    general = ColumnReader(one_row(star.values("model_general")), "data_model_general", problems)
    classes = ColumnReader(star.table("model_classes"), "data_model_classes", problems)
    groups = ColumnReader(star.table("model_groups"), "data_model_groups", problems)
    box = int(general.integers("rlnOriginalImageSize")[0])
    _note_unsupported(general, classes, problems)
    flat = int(general.integers("rlnReferenceDimensionality")[0]) == 2
    spectra = _Spectra(star, classes.n, box // 2 + 1, problems)
    header = _header(general, classes, groups)
    fraction = classes.floats("rlnClassDistribution")
    mean_A = [classes.floats(f"rlnClassPriorOffset{axis}", 0.0) for axis in "XY"]
    refuse(path, problems)
    model = HalfModel(
        maps=_maps(path, header, box),
        noise_variance=spectra.noise(int(general.integers("rlnNrOpticsGroups")[0])),
        signal_variance=spectra.by_class("rlnReferenceTau2"),
        data_vs_prior=spectra.by_class("rlnSsnrMap"),
        map_variance=spectra.by_class("rlnReferenceSigma2"),
        fourier_coverage=spectra.by_class("rlnFourierCompleteness", 0.0),
        fsc=spectra.by_class("rlnGoldStandardFsc")[0],
        class_fraction=fraction,
        direction_fraction=fraction[:, None] if flat else spectra.directions(),
        group_scale=groups.floats("rlnGroupScaleCorrection"),
        mean_norm=float(general.floats("rlnNormCorrectionAverage")[0]),
        offset_sigma_A=float(general.floats("rlnSigmaOffsetsAngst")[0]),
        offset_mean_A=np.column_stack(mean_A),
        log_likelihood=float(general.floats("rlnLogLikelihood")[0]),
        mean_max_probability=header.mean_max_probability,
        accuracy_rotation_deg=classes.floats("rlnAccuracyRotations"),
        accuracy_translation_A=classes.floats("rlnAccuracyTranslationsAngst"),
        orientability=spectra.by_class("rlnSpectralOrientabilityContribution", 0.0)[0],
    )
    refuse(path, problems)
    return model, header


class _Spectra:
    """The numbered tables of a model file: spectra of classes and optics groups."""

    def __init__(self, star: StarFile, n_classes: int, n_shells: int, problems: list[str]) -> None:
        self._star = star
        self._n_classes = n_classes
        self._n_shells = n_shells
        self._problems = problems

    def by_class(self, label: str, default: float | None = None) -> Float[Array, "class shell"]:
        rows = [self._table(f"model_class_{k + 1}") for k in range(self._n_classes)]
        return np.array([self._on_shells(row, label, default) for row in rows])

    def noise(self, n_groups: int) -> Float[Array, "optics shell"]:
        rows = [self._table(f"model_optics_group_{g + 1}") for g in range(n_groups)]
        return np.array([self._on_shells(row, "rlnSigma2Noise") for row in rows])

    def directions(self) -> Float[Array, "class direction"]:
        names = [f"model_pdf_orient_class_{k + 1}" for k in range(self._n_classes)]
        columns = [self._table(name).floats("rlnOrientationDistribution") for name in names]
        if len({len(column) for column in columns}) != 1:
            self._problems.append("the classes differ in their number of directions.")
            return np.zeros((self._n_classes, 1))
        return np.array(columns)

    def _table(self, name: str) -> ColumnReader:
        # RELION leaves a table out when it has no rows, e.g. an optics group without particles.
        return ColumnReader(self._star.tables.get(name, {}), f"data_{name}", self._problems)

    def _on_shells(
        self, columns: ColumnReader, label: str, default: float | None = None
    ) -> Float[Array, " shell"]:
        """Put the values of a table on their shells; shells without a row stay zero."""
        spectrum = np.zeros(self._n_shells)
        if columns.n == 0 and columns.name.startswith("data_model_optics"):
            return spectrum
        shells = columns.integers("rlnSpectralIndex")
        outside = (shells < 0) | (shells >= self._n_shells)
        columns.note("rlnSpectralIndex", outside, f"expected shells 0 to {self._n_shells - 1}")
        spectrum[shells[~outside]] = columns.floats(label, default)[~outside]
        return spectrum


def _header(general: ColumnReader, classes: ColumnReader, groups: ColumnReader) -> ModelHeader:
    def number(label: str) -> float:
        return float(general.floats(label)[0])

    sigmas = tuple(number(f"rlnSigmaPrior{axis}Angle") for axis in ("Rot", "Tilt", "Psi"))
    is_local = general.integers("rlnOrientationalPriorMode")[0] != 0
    resolution = general.text("rlnCurrentResolution")[0]
    return ModelHeader(
        map_names=tuple(classes.text("rlnReferenceImage")),
        group_names=tuple(groups.text("rlnGroupName")),
        group_sizes=groups.integers("rlnGroupNrParticles"),
        pixel_size_A=number("rlnPixelSize"),
        current_resolution_A=np.inf if "inf" in resolution else number("rlnCurrentResolution"),
        current_size=int(general.integers("rlnCurrentImageSize")[0]),
        padding=number("rlnPaddingFactor"),
        tau2_fudge=number("rlnTau2FudgeFactor"),
        mean_max_probability=number("rlnAveragePmax"),
        prior_sigma_deg=(sigmas[0], sigmas[1], sigmas[2]) if is_local else None,
        interpolation=Interpolation(
            nearest=general.integers("rlnFourierSpaceInterpolator")[0] == 0,
            linear_shells=int(general.integers("rlnMinRadiusNnInterpolation")[0]),
        ),
    )


def _note_unsupported(general: ColumnReader, classes: ColumnReader, problems: list[str]) -> None:
    only = (("rlnDataDimensionality", 2), ("rlnIsHelix", 0), ("rlnNrBodies", 1))
    for label, expected in only:
        wrong = general.integers(label, expected) != expected
        general.note(label, wrong, f"this version continues runs with {expected} only")
    n_classes = int(general.integers("rlnNrClasses")[0])
    if n_classes != classes.n:
        problems.append(
            f"rlnNrClasses is {n_classes}, but data_model_classes has {classes.n} rows."
        )


def _maps(path: Path, header: ModelHeader, box: int) -> Float32[Array, "class z y x"]:
    maps = []
    for name in header.map_names:
        found = beside(name, path.parent)
        file = file_of(found)
        if not file.exists():
            found = found.removesuffix(str(file)) + str(path.parent / file.name)
        volume, _ = read_reference(found)
        if volume.shape[-1] != box:
            raise DataError(
                f"{found} has the box {volume.shape[-1]}, but {path} says {box}. "
                "Were the files of two runs mixed?"
            )
        maps.append(volume)
    return np.array(maps)
