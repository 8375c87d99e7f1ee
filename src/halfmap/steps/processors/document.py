"""``docs/processors.md`` from the declarations: ``python -m halfmap.steps.processors.document``."""

import sys
from collections.abc import Iterator

from halfmap.steps.processors.picture import Kind, Parameter, Processor
from halfmap.steps.processors.registry import GROUPS

HEAD = """\
# Processors of `halfmap reconstruct`

Made from the declarations in `src/halfmap/steps/processors` by
`python -m halfmap.steps.processors.document`; do not edit. `--preprocess` takes them for the
projections, before they are padded, and `--postprocess` for the map. Both can be repeated;
processors run in the order in which they are given. The names and the form are EMAN2's:

    --preprocess filter.highpass.gauss:cutoff_freq=0.02 --preprocess normalize.edgemean

`none` does nothing. `true` and `false` are 1 and 0. In the formulas x is a value, r the distance
from the pixel n // 2, and s the spatial frequency in cycles per pixel: 0.5 at Nyquist, up to 0.87
in the corners of a map. Means are of all values, sigma divides by their number less one. The mean
of the border of an image counts its corners twice.

Where EMAN2 errs, ours is right: `normalize.maxmin` uses half the sum and half the difference the
right way round, `filter.highpass.tanh` is a function of s and not of s², `math.fft.resample` keeps
the grey scale, `math.addnoise` adds noise of mean 0 and of the sigma that is given.
`normalize.bymass` finds the level exactly. Random numbers depend only on the image and on the place
of the processor.

EMAN2's CTF processors (`filter.ctfcorr.simple`, `math.simulatectf`) do not exist here.
"""


def document() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(_section(group) for group in GROUPS)])


def _section(group: tuple[Processor, ...]) -> str:
    kind = group[0].name.split(".")[0]
    title = "math, another pixel size" if group[0].name.startswith("math.fft") else kind
    return "\n".join([f"## {title}\n", *(line for each in group for line in _entry(each))])


def _entry(processor: Processor) -> Iterator[str]:
    yield f"### `{processor.name}`\n\n{processor.help}\n"
    if processor.parameters:
        yield "| parameter | value | default | |\n|---|---|---|---|"
        yield from (_row(parameter) for parameter in processor.parameters)
        yield ""
    if processor.one_of:
        yield f"One of {', '.join(f'`{name}`' for name in processor.one_of)} must be given.\n"


def _row(parameter: Parameter) -> str:
    default = "must be given" if parameter.needed else parameter.default
    shown = f"{default:.4g}" if isinstance(default, float) else default
    kind = "" if parameter.kind is Kind.TEXT else parameter.kind.value
    return f"| `{parameter.name}` | {kind} | {'' if shown is None else shown} | {parameter.help} |"


if __name__ == "__main__":
    sys.stdout.write(document())
