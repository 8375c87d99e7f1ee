"""The inner loops of insertion, written as LLVM instructions on short vectors.

A voxel of the grid is 3 consecutive floats (re, im, weight), so that a row of a window is 3 m: it
is held in vectors of 8, the rest in one of 2, 4 or 8, and added to the grid m² times with different
factors. What a last vector adds behind the row is zero; the grid needs 8 floats behind its end.
``size`` is a tuple whose length is m: known when the code is compiled, unlike its content.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

import math

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from halfmap.kernels.numba_cpu.vector4 import EIGHT, FLAGS, FLOAT, INT, _broadcast, _load, _pointer

LANES = 8
"""Floats that the weights of an axis take, of which m count."""
ROW = 3 * LANES
"""Floats that the weights of a row of voxels take; those of three axes too."""
INTS = ir.VectorType(INT, LANES)
SMALLEST_POWER = -126.0
"""Weights below 2^(this) are zero: they would be no normal numbers. Small ones count where nothing
else reaches a voxel (`halfmap.model.faint_sums`)."""
POWERS_OF_TWO = [math.log(2.0) ** n / math.factorial(n) for n in range(8)]
"""2^f for |f| <= 1/2; the next term is 1e-8."""


def _all(value):
    return ir.Constant(EIGHT, [value] * LANES)


def _exp2(builder, t):
    """Return 2^t of negative numbers."""
    rounded = builder.fptosi(builder.fadd(t, _all(-0.5), flags=FLAGS), INTS)
    part = builder.fsub(t, builder.sitofp(rounded, EIGHT), flags=FLAGS)
    power = _all(POWERS_OF_TWO[-1])
    for term in POWERS_OF_TWO[-2::-1]:
        power = builder.fadd(builder.fmul(power, part, flags=FLAGS), _all(term), flags=FLAGS)
    biased = builder.add(rounded, ir.Constant(INTS, [127] * LANES))
    exponent = builder.shl(biased, ir.Constant(INTS, [23] * LANES))
    value = builder.fmul(power, builder.bitcast(exponent, EIGHT), flags=FLAGS)
    vanishes = builder.fcmp_ordered("<", t, _all(SMALLEST_POWER))
    return builder.select(vanishes, _all(0.0), value)


@intrinsic
def gauss_weights(_context, out, place, first, sharpness):
    """Write exp(-sharpness (first + j)²), for j from 0 to 7, to ``out`` from ``place`` on."""
    signature = types.void(out, place, first, sharpness)

    def generate(context, builder, signature, arguments):
        array, where, start, factor = arguments
        lanes = ir.Constant(EIGHT, [float(j) for j in range(LANES)])
        distance = builder.fadd(_broadcast(builder, start, EIGHT), lanes, flags=FLAGS)
        rate = builder.fmul(factor, ir.Constant(FLOAT, -1.0 / math.log(2.0)), flags=FLAGS)
        square = builder.fmul(distance, distance, flags=FLAGS)
        t = builder.fmul(square, _broadcast(builder, rate, EIGHT), flags=FLAGS)
        pointer = _pointer(context, builder, signature.args[0], array, where, EIGHT)
        builder.store(_exp2(builder, t), pointer).align = 4
        return context.get_dummy_value()

    return signature, generate


def _pieces(width):
    """Return (first float, floats) of the vectors that hold a row."""
    pieces, first = [], 0
    while first < 3 * width:
        rest = 3 * width - first
        count = 8 if rest > 4 else 4 if rest > 2 else 2
        pieces.append((first, count))
        first += count
    return pieces


def _mask(lanes):
    return ir.Constant(ir.VectorType(INT, len(lanes)), list(lanes))


def _four(builder, values):
    """Return (re, im, weight, 0)."""
    four = ir.Constant(ir.VectorType(FLOAT, 4), [0.0] * 4)
    for j in range(3):
        four = builder.insert_element(four, builder.extract_value(values, j), INT(j))
    return four


def _repeated(builder, four, first, count):
    """Return what of (re, im, weight, re, im, ...) a piece of a row holds."""
    undefined = ir.Constant(four.type, ir.Undefined)
    return builder.shuffle_vector(
        four, undefined, _mask([j % 3 for j in range(first, first + count)])
    )


def _add(builder, pointer, added):
    total = builder.fadd(_load(builder, pointer), added, flags=FLAGS)
    builder.store(total, pointer).align = 4


@intrinsic
def add_products(_context, grid, first, strides, values, weights, size):
    """Add ``values`` to a window, times a weight along each axis.

    ``first`` is the float of the first voxel, ``strides`` those between rows and between planes;
    ``weights`` are an array, and where in it 8 floats each for x, y and z begin.
    """
    signature = types.void(grid, first, strides, values, weights, size)
    width = len(size)

    def generate(context, builder, signature, arguments):
        array, start, steps, three, both, _ = arguments
        kinds = signature.args
        table, where = (builder.extract_value(both, j) for j in range(2))
        along = []
        for axis in range(3):
            begin = builder.add(where, ir.Constant(where.type, LANES * axis))
            along.append(
                _load(builder, _pointer(context, builder, kinds[4][0], table, begin, EIGHT))
            )
        four, zero = _four(builder, three), _all(0.0)
        rows = []
        for begin, count in _pieces(width):
            lanes = [j // 3 if j < 3 * width else LANES for j in range(begin, begin + count)]
            weight = builder.shuffle_vector(along[0], zero, _mask(lanes))
            value = _repeated(builder, four, begin, count)
            rows.append((begin, count, builder.fmul(weight, value, flags=FLAGS)))
        row_step, plane_step = (builder.extract_value(steps, j) for j in range(2))
        plane = start
        for z in range(width):
            of_plane = builder.shuffle_vector(along[2], zero, _mask([z] * LANES))
            factors = builder.fmul(along[1], of_plane, flags=FLAGS)
            position = plane
            for y in range(width):
                for begin, count, row in rows:
                    factor = builder.shuffle_vector(factors, zero, _mask([y] * count))
                    at = builder.add(position, ir.Constant(position.type, begin))
                    pointer = _pointer(context, builder, kinds[0], array, at, row.type)
                    _add(builder, pointer, builder.fmul(row, factor, flags=FLAGS))
                position = builder.add(position, row_step)
            plane = builder.add(plane, plane_step)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def add_cube(_context, grid, first, strides, values, weights, size):
    """Add ``values`` to a window, times a weight of each voxel for each of them.

    ``weights`` holds `ROW` floats for each row of voxels, 3 for a voxel, zero behind its end.
    """
    signature = types.void(grid, first, strides, values, weights, size)
    width = len(size)

    def generate(context, builder, signature, arguments):
        array, start, steps, three, table, _ = arguments
        kinds = signature.args
        four = _four(builder, three)
        pieces = [(b, n, _repeated(builder, four, b, n)) for b, n in _pieces(width)]
        row_step, plane_step = (builder.extract_value(steps, j) for j in range(2))
        plane = start
        for z in range(width):
            position = plane
            for y in range(width):
                for begin, _count, value in pieces:
                    own = ir.Constant(start.type, ROW * (width * z + y) + begin)
                    weight = _pointer(context, builder, kinds[4], table, own, value.type)
                    at = builder.add(position, ir.Constant(position.type, begin))
                    pointer = _pointer(context, builder, kinds[0], array, at, value.type)
                    added = builder.fmul(_load(builder, weight), value, flags=FLAGS)
                    _add(builder, pointer, added)
                position = builder.add(position, row_step)
            plane = builder.add(plane, plane_step)
        return context.get_dummy_value()

    return signature, generate
