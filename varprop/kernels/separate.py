"""Functions compiled on their own and called by address: no kernel is compiled with what it does not call.

Numba copies what a kernel calls into it and optimises it anew, at each level of calls. A `Separate` function is
compiled once, when its address is first asked for, and kept on disk.
"""

import threading
from collections.abc import Callable

from numba import config, float32, types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic

from .options import cached

_FUNCTIONS: list = [None]  # by address, with the compiler off; 0 stands for none
_COMPILING = threading.RLock()


class Separate:
    """A function of arrays and numbers that returns nothing; kernels call its ``address`` through a `caller`.

    Parameters
    ----------
    function
        What to compile.
    signature
        The Numba types of its arguments.
    """

    def __init__(self, function: Callable, signature: tuple):
        self.function, self.signature, self._address = function, signature, None

    @property
    def address(self) -> int:
        """Where the machine code is, for as long as the process lives."""
        with _COMPILING:  # threads may ask at once
            if self._address is None:
                self._address = self._compile()
        return self._address

    def _compile(self) -> int:
        if config.DISABLE_JIT:
            _FUNCTIONS.append(self.function)
            return len(_FUNCTIONS) - 1
        self._dispatcher = cached(self.function, no_cpython_wrapper=True)
        self._dispatcher.compile(self.signature)
        found = self._dispatcher.overloads[self.signature]
        return found.library.get_pointer_to_function(found.fndesc.llvm_func_name)


def separate(signature: tuple) -> Callable:
    """Return a decorator that makes a function of these types a `Separate`."""
    return lambda function: Separate(function, signature)


def caller(signature: tuple) -> Callable:
    """Return ``call(address, *arguments)`` for kernels: it calls a `Separate` of this signature."""
    if config.DISABLE_JIT:
        return lambda address, *arguments: _FUNCTIONS[address](*arguments)

    @intrinsic
    def call(context, address, *arguments):
        given = tuple(types.unliteral(kind) for kind in arguments)
        if given != signature:  # or memory would be read as what it is not
            raise TypingError(f"called with {given}, compiled for {signature}")

        def generate(context, builder, call_signature, values):
            function_type = context.call_conv.get_function_type(types.none, signature)
            function = builder.inttoptr(values[0], function_type.as_pointer())
            borrowed = cgutils.unpack_tuple(builder, values[1])
            context.call_conv.call_function(builder, function, types.none, signature, borrowed)
            return context.get_dummy_value()

        return types.void(types.intp, types.StarArgTuple.from_types(signature)), generate

    return call


_BLOCK = (float32[::1],) * 3
block = separate(_BLOCK)  # for functions of a block of lanes: scale, z, and what is set
call_block = caller(_BLOCK)
