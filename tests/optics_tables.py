"""Optics tables for simulated particles: `halfmap simulate --optics` takes them."""

ONE = {
    "rlnOpticsGroup": [1],
    "rlnOpticsGroupName": ["a"],
    "rlnVoltage": [300.0],
    "rlnSphericalAberration": [2.7],
    "rlnAmplitudeContrast": [0.1],
    "rlnImagePixelSize": [5.0],
    "rlnImageSize": [32],
    "rlnImageDimensionality": [2],
}
