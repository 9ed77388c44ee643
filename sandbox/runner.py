# The inside of a session: what runs in the sandbox before, between and around the model's code.
#
# Two processes. The keeper (pid 1 of the session) forks the interpreter, reaps orphans, passes interrupts on and forks
# a fresh interpreter when the old one ends. The interpreter runs cells. Nothing here is trusted by the host: code that
# breaks this file only breaks its own session.
#
# Descriptors: 1, 2 output pipes; 3 cells (SEQPACKET: requests in, replies out); 4 the keeper's channel.
#   request packet   u32 generation, u64 number of the cell, u32 bytes of code still to come (this packet's included), code
#                    (its lower half counts, its upper half is random: an answer cannot be left for a later cell)
#   reply packet     u32 generation, u64 number of the cell, b"o" (ended) or b"e" (raised)
#   keeper hears     b"i" interrupt or b"k" kill, u32 generation meant; answers b"a" to b"i", once it was sent
#   keeper says      b"s" u32 generation: an interpreter is up; b"d" u32 generation, u32 wait status: it ended
#   commands         b"x" u32 number, folder and arguments with NULs between: run it; b"t", b"q" u32 number: end its process
#                    group, by SIGTERM or SIGKILL; answered by b"x" u32 number, u32 wait status when it has ended
#
# Only modules built into CPython are imported at start (no enum, no re): that is most of the start-up time.
# PATHS, CONTAINED and FENCED are set by the host, in lines before these; what starts it, in lines after: begin(), or zygote.py.
import _signal
import fcntl
import os
import select
import sys

CELLS, KEEPER, PACKET = 3, 4, 65536
NAME = "<toccata>"
FIGURES, PIXELS = 8, 4_000_000  # saved after one cell; of one image
DEEP = 2000  # frames; twice Python's recursion limit
COMMANDS, DOOMED = {}, set()  # of the keeper: number of each running command by pid; those it was told to end
WARM_WORDS = ("traceback", "inspect", "linecache", "logging", "unittest", "doctest")


def keep():
    """The keeper: never returns in pid 1; returns the generation in each new interpreter."""
    if FENCED:
        import ctypes  # noqa: F401  (missing: better here than in each child)
    wake_out, wake_in = os.pipe()
    os.set_blocking(wake_in, False)
    os.set_blocking(wake_out, False)
    _signal.signal(_signal.SIGCHLD, lambda *_: None)
    _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
    _signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(KEEPER, select.POLLIN)
    poll.register(wake_out, select.POLLIN)
    generation = 0
    while True:
        generation += 1
        child = os.fork()
        if child == 0:
            _signal.set_wakeup_fd(-1)
            _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
            for fd in (wake_out, wake_in, KEEPER):
                os.close(fd)
            os.setpgid(0, 0)
            fence()
            return generation
        say(KEEPER, b"s" + u32(generation))
        status = watch(child, u32(generation), poll, wake_out)
        sweep()
        drain(CELLS)
        say(KEEPER, b"d" + u32(generation) + u32(status))


def fence():
    """Without a pid namespace: a Landlock domain of its own, so that no signal of this process reaches the keeper."""
    if not FENCED:
        return
    import ctypes

    call = ctypes.CDLL(None).syscall
    scoped = bytes(16) + (2).to_bytes(8, "little")  # struct landlock_ruleset_attr: signals
    ruleset = call(444, scoped, ctypes.c_size_t(len(scoped)), 0)  # landlock_create_ruleset
    if ruleset < 0 or call(446, ruleset, 0) != 0:  # landlock_restrict_self
        os._exit(71)
    os.close(ruleset)


def watch(child, generation, poll, wake_out):
    """Serves the host until the interpreter ends; returns its wait status."""
    while True:
        for fd, _ in poll.poll():
            if fd == wake_out:
                drain(wake_out)
                continue
            order = os.read(KEEPER, PACKET)
            if not order:
                end_session()
            if order[:1] in (b"x", b"t", b"q"):
                command(order)
                continue
            if order[1:5] == generation:
                kill_group(child, _signal.SIGKILL if order[:1] == b"k" else _signal.SIGINT)
            if order[:1] == b"i":
                say(KEEPER, b"a")
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return 0
            if pid == 0:
                break
            if pid == child:
                return status
            command_ended(pid, status)


def command(order):
    """Starts a command, or ends the processes of one."""
    number = order[1:5]
    if order[:1] != b"x":
        for pid, running in COMMANDS.items():
            if running == number:
                DOOMED.add(pid)
                kill_group(pid, _signal.SIGTERM if order[:1] == b"t" else _signal.SIGKILL)
        return
    try:
        pid = os.fork()
    except OSError as why:
        os.write(1, ("cannot start a process: %s\n" % why.strerror).encode())
        say(KEEPER, b"x" + number + u32(126 << 8))
        return
    if pid:
        COMMANDS[pid] = number
        return
    try:
        become_command(*order[5:].split(b"\0"))
    finally:
        os._exit(126)


def become_command(folder, *arguments):
    _signal.set_wakeup_fd(-1)
    for signal in (_signal.SIGCHLD, _signal.SIGINT, _signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(signal, _signal.SIG_DFL)
    fence()
    os.setsid()
    os.closerange(3, 4096)
    os.dup2(1, 2)
    try:
        what = folder
        os.chdir(folder)
        what = arguments[0]
        try:
            os.execvp(arguments[0], arguments)
        except FileNotFoundError:
            if arguments[0] != b"bash":
                raise
            os.execvp(b"sh", arguments)
    except OSError as why:
        os.write(2, b"%s: %s\n" % (what, why.strerror.encode()))
        os._exit(127)


def command_ended(pid, status):
    number = COMMANDS.pop(pid, None)
    if number is None:
        return
    if pid in DOOMED:
        DOOMED.discard(pid)
        kill_group(pid, _signal.SIGKILL)  # what ignored the gentler signal
    say(KEEPER, b"x" + number + u32(status))


def kill_group(child, signal):
    for kill in (os.killpg, os.kill):
        try:
            return kill(child, signal)
        except OSError:
            pass  # not yet a group of its own, or gone


def sweep():
    """Kills and reaps every other process of the session."""
    while True:
        try:
            if CONTAINED:
                os.kill(-1, _signal.SIGKILL)
            else:
                with open("/proc/self/task/%d/children" % os.getpid()) as children:
                    for pid in children.read().split():
                        os.kill(int(pid), _signal.SIGKILL)
        except OSError:
            pass
        try:
            command_ended(*os.waitpid(-1, 0))
        except ChildProcessError:
            return


def end_session():
    sweep()
    os._exit(0)


def drain(fd):
    blocking = os.get_blocking(fd)
    os.set_blocking(fd, False)
    try:
        while os.read(fd, PACKET):
            pass
    except OSError:
        pass
    os.set_blocking(fd, blocking)


def u32(n):
    return (n & 0xFFFFFFFF).to_bytes(4, "little")


def say(fd, packet):
    try:
        os.write(fd, packet)
    except OSError:
        os._exit(0)  # the host is gone


def ignore(*_):
    """An interrupt that comes between cells. Not SIG_IGN, which subprocesses would inherit."""


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


class Interpreter:
    def __init__(self, generation):
        self.generation = u32(generation)
        self.pid = os.getpid()
        self.sources = {}
        self.folder = os.getcwd()  # the workspace
        self.names = sys.modules["__main__"].__dict__
        # Copies, so that code that closes 1 or 2 is heard again in the next cell.
        self.spare = {fd: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 5) for fd in (1, 2)}
        self.identity = {fd: self.look(fd) for fd in (1, 2)}
        os.set_inheritable(CELLS, False)
        self.out = sys.stdout = sys.__stdout__ = self.stream(1)
        self.err = sys.stderr = sys.__stderr__ = self.stream(2)

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

    def serve(self):
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
            if packet[4:12] != number:
                number, parts = packet[4:12], []
            parts.append(packet[16:])
            if int.from_bytes(packet[12:16], "little") == len(packet) - 16:
                return number, b"".join(parts).decode("utf-8", "replace")

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
