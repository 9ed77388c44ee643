# What makes an interpreter the zygote: it imports the modules and then serves forks (sandbox/linux/zygote_inside.cpp).
# Stands behind interpreter.py in one text. IMPORTS is set by the host.


def hatch():
    """Becomes the zygote; returns, in each fork only, the generators of random numbers that have to be seeded again."""
    prepare()
    try:
        import ctypes
        import gc
        import traceback  # noqa: F401

        inside = ctypes.PyDLL("/toccata/zygote.so")  # PyDLL: the lock of the interpreter stays with the forks
    except (ImportError, OSError) as why:
        os.write(CELLS, b"e" + str(why).encode())
        os._exit(1)
    silence()
    imported = [name for name in IMPORTS if load(name)]
    generators = random_generators(gc)
    generators += numpy_generator()
    rehearse(generators)
    gc.collect()
    gc.freeze()  # collections in the forks pass the old objects by: their pages stay shared
    _signal.signal(_signal.SIGCHLD, _signal.SIG_IGN)
    os.write(CELLS, b"r" + " ".join(imported).encode())
    # No PyOS_BeforeFork and PyOS_AfterFork_Child: the fork is an exact copy of a process of one thread, which holds its
    # locks as before. The keeper's own os.fork() calls them, and with them every library's at-fork hook, where it counts.
    if inside.toccata_serve(CELLS, b"/toccata/plan"):
        os._exit(1)
    return generators


def silence():
    """Imports print where nobody reads."""
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (1, 2):
        os.dup2(null, fd)
    os.close(null)


def load(name):
    try:
        __import__(name)
        return True
    except BaseException:
        return False


def random_generators(gc):
    """Every random.Random there is: that of the module, and those that libraries keep."""
    random = sys.modules.get("random")
    if random is None:
        return []
    return [
        o
        for o in gc.get_objects()
        if isinstance(o, random.Random) and not isinstance(o, random.SystemRandom)
    ]


class MersenneTwister:
    """The generator behind numpy.random's functions. Its seed() writes to a hundred pages of memory, this to one."""

    BYTES = 624 * 4  # of its state; what follows is how many of these numbers are used up

    def __init__(self, random, move):
        self.random, self.move = random, move
        kind, words, used, half_a_pair, _ = random.get_state()
        self.address = random.mtrand._rand._bit_generator.ctypes.state_address
        self.whole = (kind, half_a_pair) == ("MT19937", 0) and move.string_at(self.address, self.BYTES + 4) == words.tobytes() + used.to_bytes(4, "little")

    def seed(self):
        if not self.whole:  # a numpy whose memory looks otherwise
            return self.random.seed()
        state = os.urandom(self.BYTES) + (624).to_bytes(4, "little")
        self.move.memmove(self.address, state, len(state))


def numpy_generator():
    import ctypes

    if "numpy.random" not in sys.modules:
        return []
    try:
        return [MersenneTwister(sys.modules["numpy.random"], ctypes)]
    except Exception:  # other names inside
        return [sys.modules["numpy.random"]]


def rehearse(generators):
    """Does once what every fork does first: what that loads and makes is shared then."""
    standard = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
    reseed(generators)
    interpreter = Interpreter(0)
    interpreter.cell(1, "1 + 1")
    interpreter.flush()
    for fd in interpreter.spare.values():
        os.close(fd)
    del sys.modules["builtins"]._
    sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__ = standard


def reseed(generators):
    """Nothing that was drawn or can be drawn in one fork can be foretold in another. The str hash seed stays."""
    for generator in generators:
        generator.seed()
    modules = sys.modules
    if "uuid" in modules:
        modules["uuid"]._node = modules["uuid"]._last_timestamp = None
    if "tempfile" in modules:
        modules["tempfile"]._name_sequence = None
    if "multiprocessing.process" in modules:
        modules["multiprocessing.process"].current_process().authkey = os.urandom(32)
    if "ssl" in modules:
        modules["ssl"].RAND_add(os.urandom(32), 32.0)


def begin_forked():
    generators = hatch()
    generation = keep()
    reseed(generators)
    serve(generation)


begin_forked()
