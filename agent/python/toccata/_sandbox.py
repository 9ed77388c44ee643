from __future__ import annotations

import os
from collections.abc import Sequence

from . import _toccata

Outcome = _toccata.Outcome


class Sandbox:
    """A stateful Python session in a contained process: no root, Docker or daemon needed.

    with toccata.Sandbox() as sandbox:
        sandbox.execute("x = 6 * 7")
        print(sandbox.execute("x").output)      # 42

    `level` is the least protection accepted (full, full-nocg, noproc, landlock, seccomp, none): raises RuntimeError naming
    what is missing. `python`: the interpreter, or a virtual environment; "" = that of `toccata tools python`, else the
    system's. `mount`: folders and files that the code may read, "PATH" or "PATH:NAME", at /mnt/NAME; ValueError for one that cannot be.
    `net`: hosts that the code may reach by HTTP and HTTPS ("pypi.org", "*.example.org", "example.org:8443"); none by default.
    """

    def __init__(
        self, level: str = "full-nocg", python: str | os.PathLike[str] = "", *, mount: str | Sequence[str] = (), net: str | Sequence[str] = ()
    ):
        mounts = [mount] if isinstance(mount, str) else list(mount)
        hosts = [net] if isinstance(net, str) else list(net)
        self._session = _toccata.Sandbox(level, os.fspath(python), mounts, hosts)

    def execute(self, code: str, timeout: float = 120.0) -> Outcome:
        """Runs one cell; variables stay. Never raises on what the code does. `timeout` in seconds."""
        return self._session.execute(code, timeout)

    def interrupt(self) -> None:
        """KeyboardInterrupt in the running cell, from any thread."""
        self._session.interrupt()

    def fork(self) -> Sandbox:
        """Another session that begins with a copy of this one's variables, behind the same walls: both share the workspace
        and the limits. RuntimeError when code has started threads that still run: then this one goes on.
        """
        twin = Sandbox.__new__(Sandbox)
        twin._session = self._session.fork()
        return twin

    def list_files(self) -> dict[str, int]:
        """Path and size in bytes of the workspace's files."""
        return dict(self._session.list_files())

    def download(self, path: str) -> bytes:
        """A file of the workspace. FileNotFoundError when there is none, RuntimeError for a path that leads outside."""
        return self._session.download(path)

    def upload(self, path: str, data: bytes) -> None:
        """Writes a file of the workspace, over one that is there. RuntimeError for a path that leads outside."""
        self._session.upload(path, data)

    @property
    def level(self) -> str:
        """The protection reached: "full", "full-nocg", ..."""
        return self._session.level

    def close(self) -> None:
        """Ends the session and deletes its files; ValueError from every call after it."""
        self._session.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
