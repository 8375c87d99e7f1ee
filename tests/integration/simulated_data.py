"""Small simulations by the command line, in the working folder."""

from halfmap.cli.main import main

BOX, PIXEL_A, N, SNR = 32, 5.0, 120, 0.2
COMMON = ("--box", BOX, "--angpix", PIXEL_A, "--snr", SNR, "--seed", 4)
LENSES = {
    "rlnOpticsGroup": [1, 2, 3],
    "rlnOpticsGroupName": ["a", "b", "c"],
    "rlnVoltage": [300.0, 300.0, 200.0],
    "rlnSphericalAberration": [2.7, 2.7, 2.0],
    "rlnAmplitudeContrast": [0.1, 0.1, 0.07],
    "rlnImagePixelSize": [5.0, 4.0, 5.0],
    "rlnImageSize": [24, 30, 24],
    "rlnImageDimensionality": [2, 2, 2],
    "rlnBeamTiltX": [0.0, 1.5, 0.0],
    "rlnOddZernike": ["[]", "[0,0,7,0,0,0]", "[]"],
}


def simulated(*words: object, code: int = 0) -> None:
    assert main(["simulate", *map(str, words)]) == code
