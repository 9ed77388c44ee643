# The interpreter of a session: runs cells, reports what they raise, saves their figures, forks into branches. Stands behind
# keeper.py in one text.
NAME = "<toccata>"
FIGURES, PIXELS = 8, 4_000_000  # saved after one cell; of one image
DEEP = 2000  # frames; twice Python's recursion limit
WARM_WORDS = ("traceback", "inspect", "linecache", "logging", "unittest", "doctest")


def deep(error):
    """Has it, or one of those it was raised from, more than DEEP frames?"""
    for _ in range(100):
        trace = error.__traceback__
        for _ in range(DEEP):
            trace = trace and trace.tb_next
        if trace:
            return True
        error = error.__cause__ or error.__context__
        if error is None:
            return False
    return True


def random_state():
    """What puts back the state of the module random, which seeds itself anew in every fork."""
    try:
        random = sys.modules["random"]
        state = random.getstate()
        return lambda: random.setstate(state)
    except (KeyError, AttributeError):  # not imported; a module of the user's own by that name
        return lambda: None


class Interpreter:
    def __init__(self, generation):
        self.generation = u32(generation)
        self.pid = os.getpid()
        self.sources = {}
        self.folder = os.getcwd()  # the workspace
        self.names = sys.modules["__main__"].__dict__
        self.remember_streams()
        os.set_inheritable(CELLS, False)
        self.out = sys.stdout = sys.__stdout__ = self.stream(1)
        self.err = sys.stderr = sys.__stderr__ = self.stream(2)

    def remember_streams(self):
        """Copies, so that code that closes 1 or 2 is heard again in the next cell."""
        self.spare = {fd: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 5) for fd in (1, 2)}
        self.identity = {fd: self.look(fd) for fd in (1, 2)}

    @staticmethod
    def look(fd):
        try:
            found = os.fstat(fd)
            return found.st_dev, found.st_ino
        except OSError:
            return None

    @staticmethod
    def stream(fd):
        # Line buffered: what was printed before a crash is seen. Closing the object must not close the pipe.
        return open(fd, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)

    def mend(self):
        """Puts back the output streams when the cell before closed them."""
        for fd, pipe in self.identity.items():
            if self.look(fd) != pipe:
                os.dup2(self.spare[fd], fd)
        if self.out.closed:
            self.out = sys.__stdout__ = self.stream(1)
        if self.err.closed:
            self.err = sys.__stderr__ = self.stream(2)
        if getattr(sys.stdin, "closed", True):
            sys.stdin = open(os.devnull)  # exit() closes it
        if getattr(sys.stdout, "closed", True):
            sys.stdout = self.out
        if getattr(sys.stderr, "closed", True):
            sys.stderr = self.err

    def rehearse(self):
        """A cell of nothing: the memory that the first one writes to is this process's own before it is asked for."""
        try:
            self.cell(0, "0;")
        except BaseException:  # an interrupt meant for nobody
            pass
        _signal.signal(_signal.SIGINT, ignore)
        self.sources.clear()

    def serve(self):
        self.rehearse()
        while True:
            number, source = self.receive()
            try:
                raised = self.cell(int.from_bytes(number[:4], "little"), source)
            except BaseException:  # an interrupt in the last moments of the cell
                raised = True
            _signal.signal(_signal.SIGINT, ignore)
            self.flush()
            if os.getpid() != self.pid:
                os._exit(1 if raised else 0)  # a forked child fell off the end of the cell
            say(CELLS, self.generation + number + (b"e" if raised else b"o"))
            if "traceback" not in sys.modules:
                self.warm()  # while the model reads

    def receive(self):
        number, parts = b"", []
        while True:
            try:
                packet = os.read(CELLS, PACKET)
            except OSError:
                os._exit(70)
            if len(packet) < 16:
                os._exit(0 if not packet else 70)
            if packet[:4] != self.generation:
                continue  # meant for the interpreter before
            if packet[12:16] == u32(FORK):
                self.branch(packet[4:12], packet[16:20])
                number, parts = b"", []
                continue
            if packet[4:12] != number:
                number, parts = packet[4:12], []
            parts.append(packet[16:])
            if int.from_bytes(packet[12:16], "little") == len(packet) - 16:
                return number, b"".join(parts).decode("utf-8", "replace")

    def branch(self, number, generation):
        """Forks this interpreter: goes on in both, in the branch with the channels that came for it."""
        self.mend()
        fds = receive_descriptors(CELLS, 3)
        # Further threads would be missing in the branch, and what they had locked would stay so.
        alone = len(sys._current_frames()) == 1
        self.flush()
        keep_random = random_state()
        middle = -1
        try:
            if fds and alone:
                middle = os.fork()
        except OSError:
            pass
        if middle == 0:
            # Its parent gone, the branch is the keeper's child: no child of the code here, and waited for.
            try:
                if os.fork():
                    os._exit(0)
            except OSError:
                os._exit(1)
            self.move(generation, fds)
            keep_random()
            return say(CELLS, generation + number + b"f" + u32(self.pid))
        for fd in fds:
            os.close(fd)
        made = middle > 0 and os.waitpid(middle, 0)[1] == 0
        say(CELLS, self.generation + number + (b"o" if made else b"e"))

    def move(self, generation, fds):
        """To other channels, as another process."""
        for fd, place in zip(fds, (CELLS, 1, 2)):
            os.dup2(fd, place, inheritable=place != CELLS)
            os.close(fd)
        for fd in self.spare.values():
            os.close(fd)
        os.setpgid(0, 0)
        self.pid, self.generation = os.getpid(), generation
        self.remember_streams()

    def cell(self, number, source):
        """Runs one cell; True when it raised."""
        name = "<cell %d>" % number
        self.sources[name] = source
        self.mend()
        if "linecache" in sys.modules or any(word in source for word in WARM_WORDS):
            self.warm()
        try:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)
            self.run(source, name)
            if "matplotlib.pyplot" in sys.modules and "savefig" not in source:
                self.save_figures(number)
            return False
        except SystemExit as stop:
            return self.stopped(stop)
        except BaseException as error:
            return self.show(error)

    def run(self, source, name):
        tree = compile(source, name, "exec", 0x400, dont_inherit=True)  # PyCF_ONLY_AST
        last = None
        if tree.body and type(tree.body[-1]).__name__ == "Expr":
            last = type(compile("0", "", "eval", 0x400))(tree.body.pop().value)
        exec(compile(tree, name, "exec", dont_inherit=True), self.names)
        if last is None:
            return
        value = eval(compile(last, name, "eval", dont_inherit=True), self.names)
        if value is None or source.rstrip().endswith(";"):
            return
        sys.modules["builtins"]._ = value
        text = repr(value)
        self.flush()
        self.out.write(text + "\n")

    def save_figures(self, number):
        """Figures that the cell has drawn on and not saved itself become images in the workspace. They stay open."""
        try:
            pyplot = sys.modules["matplotlib.pyplot"]
            numbers = pyplot.get_fignums()
            current = pyplot.gcf().number if numbers else None
            figures = [figure for figure in map(pyplot.figure, numbers) if figure.stale and figure.get_axes()]
            if numbers:
                pyplot.figure(current)
            for i, figure in enumerate(figures[:FIGURES]):
                width, height = figure.get_size_inches()
                name = "figure-%d-%d.png" % (number, i + 1)
                figure.savefig(os.path.join(self.folder, name), dpi=min(figure.dpi, (PIXELS / (width * height)) ** 0.5))
                self.flush()
                self.out.write("[figure saved: %s]\n" % name)
            if len(figures) > FIGURES:
                self.out.write("[%d more figures are open and were not saved]\n" % (len(figures) - FIGURES))
        except Exception as error:
            self.out.write("[the figures could not be saved: %s]\n" % (str(error)[:200] or type(error).__name__))

    def stopped(self, stop):
        if stop.code is None or stop.code == 0:
            return False
        self.err.write("SystemExit: %s\n" % (stop.code,))
        return True

    def show(self, error):
        """Writes the traceback, user frames only; survives exceptions that cannot be printed."""
        try:
            trace = error.__traceback__
            while trace and trace.tb_frame.f_code.co_filename == NAME:
                trace = trace.tb_next
            self.flush()
            self.warm()
            # Only code that raised the recursion limit has more frames; formatting millions would take minutes.
            ahead = trace
            for _ in range(DEEP):
                ahead = ahead and ahead.tb_next
            while ahead:
                ahead, trace = ahead.tb_next, trace.tb_next
            limit = -DEEP if deep(error) else None
            lines = sys.modules["traceback"].format_exception(type(error), error, trace, limit)
            self.err.write("".join(lines))
        except BaseException:
            self.err.write("%s (its traceback cannot be shown)\n" % type(error).__name__)
        return True

    def warm(self):
        """Makes the cells' source lines known to tracebacks and inspect."""
        import linecache
        import traceback  # noqa: F401

        for name, text in self.sources.items():
            lines = (text + "\n").splitlines(True)
            linecache.cache[name] = (len(text), None, lines, name)
        self.sources.clear()

    def flush(self):
        for stream in (sys.stdout, sys.stderr, self.out, self.err):
            try:
                stream.flush()
            except BaseException:
                pass


def prepare():
    sys.path[:] = PATHS
    import builtins

    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D")
    builtins.help = _sitebuiltins._Helper()
    sys.argv[:] = [""]


def serve(generation):
    sys.path.insert(0, "")
    Interpreter(generation).serve()


def begin():
    generation = keep()
    prepare()
    serve(generation)
