"""Two inner loops on short vectors, written as LLVM instructions.

The compiler does not find these by itself: a voxel of the reference and its neighbour in x are
4 consecutive floats, two of the grid are 6. Both work on any processor for which LLVM can
generate code.
"""
# mypy: ignore-errors
# numba, not mypy, types what follows

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

FLAGS = ("fast",)
FLOAT = ir.FloatType()
VECTOR = ir.VectorType(FLOAT, 4)
PAIR = ir.VectorType(FLOAT, 2)
EIGHT = ir.VectorType(FLOAT, 8)
INT = ir.IntType(32)
FLOAT_BYTES = 4
AT_LOWER_X = ir.Constant(EIGHT, 3 * [1.0] + 5 * [0.0])
AT_UPPER_X = ir.Constant(EIGHT, 3 * [0.0] + 3 * [1.0] + 2 * [0.0])
"""Shares of two voxels in a number that lies at the one, or at the other."""


def _pointer(context, builder, array_type, array, index, vector):
    """Return the address of element ``index`` of a flat array, as a pointer to a vector."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


def _load(builder, pointer):
    value = builder.load(pointer)
    value.align = FLOAT_BYTES
    return value


def _broadcast(builder, scalar, vector):
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, INT(0))
    mask = ir.Constant(ir.VectorType(INT, vector.count), [0] * vector.count)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)


def _half(builder, value, first):
    mask = ir.Constant(ir.VectorType(INT, 2), [first, first + 1])
    return builder.shuffle_vector(value, ir.Constant(VECTOR, ir.Undefined), mask)


def _between(builder, low, high, part):
    """Return low + part * (high - low)."""
    step = builder.fmul(part, builder.fsub(high, low, flags=FLAGS), flags=FLAGS)
    return builder.fadd(low, step, flags=FLAGS)


def _divided(builder, value, part):
    """Return what is left of a value, and a part of it."""
    beyond = builder.fmul(value, part, flags=FLAGS)
    return [builder.fsub(value, beyond, flags=FLAGS), beyond]


@intrinsic
def interpolate(_context, values, corners, parts, out, place):
    """Interpolate a complex number between 8 voxels, or 4 of a plane, and store it.

    ``corners`` are the positions of the voxels of lowest x in ``values``, at (y, z) = (0, 0),
    (1, 0), (0, 1), (1, 1), or the first two of them; ``parts`` the fractions along x, y, z and the
    factor of the imaginary part; ``place`` where in ``out`` the real part goes.
    """
    signature = types.void(values, corners, parts, out, place)

    def generate(context, builder, signature, arguments):
        array, corner, part, target, where = arguments
        kinds = signature.args
        near = [
            _load(
                builder,
                _pointer(
                    context, builder, kinds[0], array, builder.extract_value(corner, j), VECTOR
                ),
            )
            for j in range(len(kinds[1]))
        ]
        dx, dy, dz, sign = (builder.extract_value(part, j) for j in range(4))
        y = _broadcast(builder, dy, VECTOR)
        both = _between(builder, near[0], near[1], y)
        if len(near) == 4:
            upper = _between(builder, near[2], near[3], y)
            both = _between(builder, both, upper, _broadcast(builder, dz, VECTOR))
        left, right = _half(builder, both, 0), _half(builder, both, 2)
        value = _between(builder, left, right, _broadcast(builder, dx, PAIR))
        factor = builder.insert_element(ir.Constant(PAIR, [1.0, 1.0]), sign, INT(1))
        pointer = _pointer(context, builder, kinds[3], target, where, PAIR)
        builder.store(builder.fmul(value, factor, flags=FLAGS), pointer).align = FLOAT_BYTES
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def distribute(_context, grid, corners, parts, values, place):
    """Add 3 numbers, times the interpolation weights, to 8 voxels, or 4 of a plane.

    ``corners`` are positions in ``grid`` as in `interpolate`, ``parts`` the fractions along x, y,
    z, and ``place`` where in ``values`` the numbers are, a fourth behind them. Two voxels are one
    vector of 8; its last two lanes add zero to the voxel behind, which must exist.
    """
    signature = types.void(grid, corners, parts, values, place)

    def generate(context, builder, signature, arguments):
        array, corner, part, source, where = arguments
        kinds = signature.args
        dx, dy, dz = (_broadcast(builder, builder.extract_value(part, j), EIGHT) for j in range(3))
        value = _load(builder, _pointer(context, builder, kinds[3], source, where, VECTOR))
        twice = ir.Constant(ir.VectorType(INT, 8), [0, 1, 2, 0, 1, 2, 3, 3])
        value = builder.shuffle_vector(value, ir.Constant(VECTOR, ir.Undefined), twice)
        along_x = _between(builder, AT_LOWER_X, AT_UPPER_X, dx)
        added = [builder.fmul(value, along_x, flags=FLAGS)]
        if len(kinds[1]) == 4:
            added = _divided(builder, added[0], dz)
        added = [share for own in added for share in _divided(builder, own, dy)]
        for j, share in enumerate(added):
            first = builder.extract_value(corner, j)
            pointer = _pointer(context, builder, kinds[0], array, first, EIGHT)
            total = builder.fadd(_load(builder, pointer), share, flags=FLAGS)
            builder.store(total, pointer).align = FLOAT_BYTES
        return context.get_dummy_value()

    return signature, generate
