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


def _shuffled(builder, value, lanes, other=None):
    """Return some lanes of a vector; those beyond it are lanes of the other."""
    mask = ir.Constant(ir.VectorType(INT, len(lanes)), lanes)
    return builder.shuffle_vector(value, other or ir.Constant(value.type, ir.Undefined), mask)


def _joined(builder, vectors):
    """Return 1, 2 or 4 vectors as one."""
    while len(vectors) > 1:
        every = list(range(2 * vectors[0].type.count))
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [_shuffled(builder, low, every, high) for low, high in pairs]
    return vectors[0]


def _between(builder, low, high, part):
    """Return low + part * (high - low)."""
    step = builder.fmul(part, builder.fsub(high, low, flags=FLAGS), flags=FLAGS)
    return builder.fadd(low, step, flags=FLAGS)


def _divided(builder, value, part):
    """Return what is left of a value, and a part of it."""
    beyond = builder.fmul(value, part, flags=FLAGS)
    return [builder.fsub(value, beyond, flags=FLAGS), beyond]


@intrinsic
def interpolate(_context, values, corners, parts, out, first):
    """Interpolate complex numbers between 8 voxels each, or 4 of a plane, and store them.

    ``corners`` are, for each of some successive pixels, the positions of the voxels of lowest x in
    ``values``, at (y, z) = (0, 0), (1, 0), (0, 1), (1, 1), or the first two of them; ``parts`` the
    fractions along x, y, z and the factors of the imaginary parts, of all pixels; ``first`` the
    first of the pixels. They are computed side by side: 4 fill a register of 64 bytes.
    """
    signature = types.void(values, corners, parts, out, first)

    def generate(context, builder, signature, arguments):
        array, corner, part, target, where = arguments
        kinds = signature.args
        n, n_corners = len(kinds[1]), len(kinds[1][0])

        def spread(j, lanes):
            """Return the numbers of the pixels, each in so many lanes."""
            own = builder.extract_value(part, j)
            narrow = ir.VectorType(FLOAT, n)
            at = _pointer(context, builder, kinds[2][j], own, where, narrow)
            return _shuffled(builder, _load(builder, at), [i // lanes for i in range(n * lanes)])

        near = []
        for j in range(n_corners):
            places = [builder.extract_value(corner, (i, j)) for i in range(n)]
            at = [_pointer(context, builder, kinds[0], array, p, VECTOR) for p in places]
            near.append(_joined(builder, [_load(builder, pointer) for pointer in at]))
        y = spread(1, 4)
        both = _between(builder, near[0], near[1], y)
        if n_corners == 4:
            upper = _between(builder, near[2], near[3], y)
            both = _between(builder, both, upper, spread(2, 4))
        left, right = (
            _shuffled(builder, both, [4 * i + j + k for i in range(n) for k in (0, 1)])
            for j in (0, 2)
        )
        value = _between(builder, left, right, spread(0, 2))
        ones = ir.Constant(value.type, [1.0] * 2 * n)
        real_ones = [i if i % 2 else i + 2 * n for i in range(2 * n)]
        factor = _shuffled(builder, spread(3, 2), real_ones, ones)
        twice = builder.shl(where, ir.Constant(where.type, 1))
        pointer = _pointer(context, builder, kinds[3], target, twice, value.type)
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
