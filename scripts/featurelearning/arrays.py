"""Arrays that people give, made plain: any dtype, layout and library in, contiguous NumPy arrays of real numbers out.

Every function that is called with arrays of one's own takes them through here, so that each either counts as the plain
array of the same numbers or is refused by name. Free of torch: its tensors are known by what they can do.
"""

from collections.abc import Sequence
from types import EllipsisType

import numpy as np

Shape = Sequence[int | str | EllipsisType]  # a size, or a word where any size will do; ... first: any leading axes
LARGEST = float(np.finfo(np.float64).max)


def real(name: str, given: object, shape: Shape, largest: float | None = LARGEST, empty: bool = False) -> np.ndarray:
    """Return an array of real numbers of a shape: float32 as it is, every other dtype as float64; C order, writable.

    largest: what is beyond it in magnitude is refused, with NaN; None: nothing is. empty: axes may have size 0. Raises
    TypeError for what holds no real numbers, ValueError for masked or refused values and for another shape.
    """
    array = numbers(name, given)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name}: dtype {array.dtype} given; allowed: real numbers (float, integer, bool); convert it, for example "
            "by .astype(float), or take the real part of complex numbers"
        )
    require_shape(name, array.shape, shape, empty)
    single = array.dtype.kind == "f" and array.dtype.itemsize == 4
    with np.errstate(over="ignore"):  # a long double may become infinite
        array = np.require(array, np.float32 if single else np.float64, ["C", "A", "W"])
    low, high = float(array.min(initial=0)), float(array.max(initial=0))  # either is NaN where a value is
    if largest is None or (-low <= largest and high <= largest):
        return array
    wrong = ~(np.abs(array.astype(np.float64)) <= largest)
    first = np.argwhere(wrong)[0].tolist()
    raise ValueError(
        f"{name}: {np.count_nonzero(wrong)} of {array.size} values are not finite, or beyond {largest:.3g}; the first, "
        f"at {first}, is {array[tuple(first)]:.3g}; allowed: finite numbers; mend or drop them"
    )


def whole(name: str, given: object, shape: Shape) -> np.ndarray:
    """Return an array of whole numbers of a shape as int64; raises as `real`, and ValueError for other numbers."""
    array = real(name, given, shape)
    if wrong := np.count_nonzero(array != np.rint(array)):
        raise ValueError(f"{name}: {wrong} of {array.size} values are not whole; allowed: whole numbers; round them")
    return array.astype(np.int64)


def classes(name: str, given: object, shape: Shape, count: int) -> np.ndarray:
    """Return classes of a shape as int64; raises as `whole`, and ValueError for others than 0 to count - 1."""
    array = whole(name, given, shape)
    if array.min() < 0 or array.max() >= count:
        raise ValueError(
            f"{name}: classes {array.min()} to {array.max()} given; allowed: 0 to {count - 1}, as there are {count} "
            "outputs; number the classes from 0, or take more outputs"
        )
    return array


def number(name: str, given: object, largest: float = LARGEST) -> float:
    """Return one real number; raises as `real`."""
    return float(real(name, given, (), largest))


def numbers(name: str, given: object) -> np.ndarray:
    """Return what NumPy makes of an array, tensor, frame or (nested) list; raises TypeError or ValueError, by name."""
    if isinstance(given, list | tuple):
        given = [numbers(name, one) if hasattr(one, "__array__") else one for one in given]
    if isinstance(given, np.ma.MaskedArray) and (masked := np.ma.count_masked(given)):
        raise ValueError(f"{name}: {masked} values are masked; allowed: none; drop them, or fill them by .filled(...)")
    try:
        return given.numpy(force=True) if hasattr(given, "detach") else np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:  # a bfloat16, meta or sparse tensor, a ragged list
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(
            f"{name}: this {type(given).__name__} is no array of numbers ({str(error).splitlines()[0]}); allowed: "
            "NumPy arrays, tensors that hold values, lists of equal length; convert it"
        ) from error


def require_shape(name: str, found: Sequence[int], shape: Shape, empty: bool = False) -> None:
    """Raise ValueError unless the sizes found are those of a shape."""
    sizes = [size for size in shape if size is not ...]
    enough = len(found) == len(sizes) or (... in shape and len(found) > len(sizes))
    last = found[len(found) - len(sizes) :] if enough else ()
    same = enough and all(isinstance(b, str) or a == b for a, b in zip(last, sizes, strict=True))
    if same and (empty or 0 not in found):
        return
    words = ", ".join("..." if size is ... else str(size) for size in shape)
    least = "" if empty or not any(isinstance(size, str) for size in sizes) else ", each 1 or more"
    raise ValueError(f"{name}: shape {list(found)} given; allowed: [{words}]{least}; give it in that shape")


def precision(given: object) -> float:
    """Return the machine epsilon of the dtype that numbers were given in; that of float64 where it is no float's."""
    name = str(getattr(given, "dtype", "")).removeprefix("torch.")
    return float(np.finfo(name if name in ("float16", "float32") else "float64").eps)
