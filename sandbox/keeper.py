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
# A branch is a fork of the interpreter with channels of its own, all four, made by the host:
#   1. keeper hears  b"f" u32 0, then a packet with the branch's keeper channel, cells, and pipes for 1 and 2; it answers on
#                    the new channel: b"f" u32 generation
#   2. request       as of a cell, FORK in place of the size, then u32 generation of the branch; then a packet with cells,
#                    1 and 2. The interpreter replies b"o" or b"e"; the branch b"f" u32 its process, on its own cells
#   3. keeper hears  on the new channel: b"p" u32 generation, u32 process; and says b"s". From then on all is as above, on
#                    the branch's own channels. A branch whose keeper channel closes is ended; with the last goes the session.
#
# Only modules built into CPython are imported at start (no enum, no re): that is most of the start-up time.
# One text: PATHS, CONTAINED and FENCED, set by the host; this file; interpreter.py; then what starts it, begin() or zygote.py.
import _signal
import fcntl
import os
import select
import sys

CELLS, KEEPER, PACKET = 3, 4, 65536
FORK = 0xFFFFFFFF
COMMANDS, DOOMED = {}, set()  # of the keeper: branch and number of each running command by pid; those it was told to end


class Branch:
    """What the keeper knows of an interpreter: its channels, and the process that is at their other ends."""

    def __init__(self, keeper, cells, out, err):
        self.keeper, self.cells, self.out, self.err = keeper, cells, out, err
        self.generation, self.pid = 0, 0

    def close(self):
        for fd in (self.keeper, self.cells, self.out, self.err):
            if fd > KEEPER:
                os.close(fd)
            else:  # the places of the first one are never given to another
                os.dup2(0, fd)
        self.keeper = -1

    def tell(self, packet):
        try:
            if self.keeper >= 0:
                os.write(self.keeper, packet)
        except OSError:
            pass  # its host is gone, which the poll will say

    def stand(self):
        """In its interpreter: the channels where they belong, nothing else open."""
        for fd, place in ((self.out, 1), (self.err, 2), (self.cells, CELLS)):
            if fd != place:
                os.dup2(fd, place)


class Keeper:
    def __init__(self):
        self.wake, wake_in = os.pipe()
        os.set_blocking(wake_in, False)
        os.set_blocking(self.wake, False)
        _signal.signal(_signal.SIGCHLD, lambda *_: None)
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)
        _signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
        self.own = [self.wake, wake_in]
        self.poll = select.poll()
        self.poll.register(self.wake, select.POLLIN)
        self.branches = {}  # by the descriptor of their keeper channel
        self.generation = 0

    def add(self, branch):
        self.generation += 1
        branch.generation = self.generation
        self.branches[branch.keeper] = branch
        self.poll.register(branch.keeper, select.POLLIN)

    def start(self, branch):
        """A fresh interpreter. True in it."""
        child = self.forked()
        if child:
            branch.pid = child
            branch.tell(b"s" + u32(branch.generation))
            return False
        _signal.set_wakeup_fd(-1)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        branch.stand()
        others = {fd for b in self.branches.values() for fd in (b.keeper, b.cells, b.out, b.err)}
        for fd in (*self.own, *others - {1, 2, CELLS}):
            os.close(fd)
        os.setpgid(0, 0)
        fence()
        return True

    def forked(self):
        """fork(). Without room for a process (what was killed counts until it is gone, and so do the user's others) it is
        tried again for two seconds."""
        for _ in range(200):
            try:
                return os.fork()
            except BlockingIOError:
                select.select([], [], [], 0.01)
        return os.fork()

    def serve(self):
        """Until the host is gone; returns, in a fresh interpreter, its generation."""
        while True:
            for fd, _ in self.poll.poll():
                if fd == self.wake:
                    drain(self.wake)
                elif fd in self.branches:  # else closed just now
                    self.hear(self.branches[fd])
            for branch in self.reap():
                if self.start(branch):
                    return branch.generation

    def hear(self, branch):
        try:
            order = os.read(branch.keeper, PACKET)
        except OSError:
            order = b""
        kind = order[:1]
        if not order:
            self.leave(branch)
        elif kind in (b"x", b"t", b"q"):
            command(branch, order)
        elif kind == b"f":
            self.make_room(branch)
        elif kind == b"p":
            self.adopt(branch, int.from_bytes(order[5:9], "little"))
        else:
            if order[1:5] == u32(branch.generation) and branch.pid:
                kill_group(branch.pid, _signal.SIGKILL if kind == b"k" else _signal.SIGINT)
            if kind == b"i":
                branch.tell(b"a")

    def make_room(self, origin):
        """For a fork of its interpreter."""
        fds = receive_descriptors(origin.keeper, 4)
        if fds:
            branch = Branch(*fds)
            self.add(branch)
            branch.tell(b"f" + u32(branch.generation))

    def adopt(self, branch, pid):
        """The process says itself which it is: only a child that is nobody else's is believed."""
        known = {b.pid for b in self.branches.values()} | COMMANDS.keys()
        try:
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if pid in known or branch.pid:
                raise ChildProcessError
        except (OSError, OverflowError):
            return branch.tell(b"d" + u32(branch.generation) + u32(0))
        branch.pid = pid
        branch.tell(b"s" + u32(branch.generation))

    def leave(self, branch):
        """Its host side is closed: its processes end, and with those of the last branch the session."""
        del self.branches[branch.keeper]
        if not self.branches:
            end_session()
        self.poll.unregister(branch.keeper)
        for pid in [pid for pid, (owner, _) in COMMANDS.items() if owner is branch]:
            kill_group(pid, _signal.SIGKILL)
        if branch.pid:
            kill_group(branch.pid, _signal.SIGKILL)
        branch.close()

    def reap(self):
        """Branches whose interpreter has ended, each with its next generation."""
        statuses = {}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            statuses[pid] = status
            command_ended(pid, status)
        ended = [b for b in self.branches.values() if b.pid in statuses or (b.pid and not exists(b.pid))]
        for branch in ended:
            pid, branch.pid = branch.pid, 0
            # What it started is found by its group only, while the processes of others must live.
            if any(b.pid for b in self.branches.values() if b not in ended):
                kill_group(pid, _signal.SIGKILL)
            else:
                sweep()
            drain(branch.cells)
            branch.tell(b"d" + u32(branch.generation) + u32(statuses.get(pid, 0)))
            self.generation += 1
            branch.generation = self.generation
        return ended


def keep():
    """The keeper: never returns in pid 1; returns the generation in each new interpreter."""
    if FENCED:
        import ctypes  # noqa: F401  (missing: better here than in each child)
    keeper = Keeper()
    first = Branch(KEEPER, CELLS, 1, 2)
    keeper.add(first)
    return first.generation if keeper.start(first) else keeper.serve()


def receive_descriptors(channel, n):
    """The descriptors of the next packet; none when there were not exactly so many."""
    import _socket

    size = 4 * n
    with_name = _socket.socket(fileno=os.dup(channel))
    try:
        _, attached, _, _ = with_name.recvmsg(64, _socket.CMSG_SPACE(size), _socket.MSG_CMSG_CLOEXEC)
    except OSError:
        attached = []
    finally:
        with_name.close()
    data = b"".join(bytes for _, _, bytes in attached)
    fds = [int.from_bytes(data[i : i + 4], "little") for i in range(0, len(data) - 3, 4)]
    if len(fds) == n:
        return fds
    for fd in fds:
        os.close(fd)
    return []


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


def command(branch, order):
    """Starts a command, or ends the processes of one."""
    number = order[1:5]
    if order[:1] != b"x":
        for pid, running in COMMANDS.items():
            if running == (branch, number):
                DOOMED.add(pid)
                kill_group(pid, _signal.SIGTERM if order[:1] == b"t" else _signal.SIGKILL)
        return
    try:
        pid = os.fork()
    except OSError as why:
        os.write(branch.out, ("cannot start a process: %s\n" % why.strerror).encode())
        branch.tell(b"x" + number + u32(126 << 8))
        return
    if pid:
        COMMANDS[pid] = branch, number
        return
    try:
        become_command(branch, *order[5:].split(b"\0"))
    finally:
        os._exit(126)


def become_command(branch, folder, *arguments):
    _signal.set_wakeup_fd(-1)
    for signal in (_signal.SIGCHLD, _signal.SIGINT, _signal.SIGPIPE, _signal.SIGXFSZ):
        _signal.signal(signal, _signal.SIG_DFL)
    fence()
    os.setsid()
    os.dup2(branch.out, 1)
    os.dup2(1, 2)
    os.closerange(3, 4096)
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
    if pid not in COMMANDS:
        return
    branch, number = COMMANDS.pop(pid)
    if pid in DOOMED:
        DOOMED.discard(pid)
        kill_group(pid, _signal.SIGKILL)  # what ignored the gentler signal
    branch.tell(b"x" + number + u32(status))


def exists(pid):
    try:
        os.kill(pid, 0)
        return True
    except OSError:
        return False


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
