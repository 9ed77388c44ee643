"""A model hub on loopback: the API and /resolve on one port, the files' storage on another, and whatever may go wrong."""

import hashlib
import http.server
import json
import re
import sys
import threading
import time

COMMIT = "c0ffee" + "0" * 34


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, hub, handler):
        super().__init__(("127.0.0.1", 0), handler)
        self.hub = hub
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], OSError):  # a client that is gone is what some tests are about
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Hub:
    """`files`: path -> bytes. Files above `lfs_from` bytes are served by the storage, after a redirect.

    Behaviour is set by attributes; counters say what was asked. `served` counts bytes of the storage's bodies.
    """

    def __init__(self, repo: str, files: dict, lfs_from: int = 1000):
        self.repo, self.files, self.lfs_from = repo, files, lfs_from
        self.lock = threading.Lock()
        self.requests = []  # (method, path, Range or None, Authorization or None, "hub" | "storage")
        self.served = {}  # path -> bytes
        self.token = None  # the only one that is let in
        self.gated = False
        self.listing_says_ids = True
        self.extra_siblings = []
        self.knows_ranges = True
        self.fail_next = []  # [(status, headers)] of the next storage requests
        self.fail_listing = []  # the same of the next listings
        self.wrong_times = 0  # so many answers have a wrong byte
        self.truncate_times = 0  # so many answers end in their middle
        self.stall_times = 0  # so many answers go silent in their middle
        self.pause_after = None  # the storage sends so many bytes in all, then waits for `go_on`
        self.go_on = threading.Event()
        self.done = threading.Event()
        self.storage = Server(self, StorageHandler)
        self.front = Server(self, HubHandler)
        self.url = self.front.url

    def close(self):
        self.go_on.set()
        self.done.set()
        for server in (self.front, self.storage):
            server.shutdown()
            server.server_close()

    def is_lfs(self, path):
        return len(self.files[path]) >= self.lfs_from

    def etag(self, path):
        return sha256(self.files[path]) if self.is_lfs(path) else git_id(self.files[path])

    def siblings(self):
        listed = []
        for path, data in self.files.items():
            entry = {"rfilename": path}
            if self.listing_says_ids:
                entry |= {"size": len(data), "blobId": git_id(data)}
                if self.is_lfs(path):
                    entry["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 135}
            listed.append(entry)
        return listed + self.extra_siblings

    def tree(self):
        """The listing that huggingface_hub asks for."""
        listed = []
        for path, data in self.files.items():
            entry = {"type": "file", "path": path, "size": len(data), "oid": git_id(data)}
            if self.is_lfs(path):
                entry["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": 135}
            listed.append(entry)
        return listed

    def take(self, counter: str) -> bool:
        with self.lock:
            n = getattr(self, counter)
            setattr(self, counter, max(n - 1, 0))
            return n > 0

    def bytes_served(self) -> int:
        with self.lock:
            return sum(self.served.values())


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    where = ""

    def log_message(self, *_):
        pass

    def note(self):
        hub = self.server.hub
        with hub.lock:
            hub.requests.append((self.command, self.path, self.headers["Range"], self.headers["Authorization"], self.where))
        return hub

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def send_file(self, hub, path):
        """The file, or the range asked for, with what is to go wrong."""
        data = hub.files[path]
        begin, end, status, headers = 0, len(data), 200, {}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"] or "")
        if wanted and hub.knows_ranges:
            begin, end, status = int(wanted[1]), min(int(wanted[2]) + 1, len(data)), 206
            headers["Content-Range"] = f"bytes {begin}-{end - 1}/{len(data)}"
        body = data[begin:end]
        if body and hub.take("wrong_times"):
            body = bytes([body[0] ^ 1]) + body[1:]
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hub.etag(path)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(body) // 2
        cut = hub.take("truncate_times")
        stall = not cut and hub.take("stall_times")
        if cut or stall:
            body = body[:half]
        for at in range(0, len(body), 16384):
            part = body[at : at + 16384]
            with hub.lock:
                pause = hub.pause_after is not None and sum(hub.served.values()) >= hub.pause_after
            if pause:
                hub.go_on.wait(60)
            try:
                self.wfile.write(part)
            except OSError:
                self.close_connection = True
                return
            with hub.lock:
                hub.served[path] = hub.served.get(path, 0) + len(part)
        if stall:
            hub.done.wait(60)
        if cut or stall:
            self.close_connection = True


class HubHandler(Handler):
    where = "hub"

    def do_GET(self):
        hub = self.note()
        path = self.path.partition("?")[0]
        if hub.token and self.headers["Authorization"] != f"Bearer {hub.token}":
            return self.answer(401, b"{}", X_Error_Message="Invalid username or password.")
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/(.+)", path)
        if api:
            if api[1] != hub.repo:
                return self.answer(404, b"{}", X_Error_Code="RepoNotFound", X_Error_Message="Repository not found")
            if api[2] not in ("main", COMMIT, "v1%2Fa"):
                return self.answer(404, b"{}", X_Error_Code="RevisionNotFound", X_Error_Message="Invalid rev id")
            with hub.lock:
                failure = hub.fail_listing.pop(0) if hub.fail_listing else None
            if failure:
                return self.answer(failure[0], b"", **failure[1])
            return self.answer(200, json.dumps({"id": hub.repo, "sha": COMMIT, "siblings": hub.siblings()}).encode())
        if path == f"/api/models/{hub.repo}/tree/{COMMIT}":
            return self.answer(200, json.dumps(hub.tree()).encode())
        file = re.fullmatch(rf"/{hub.repo}/resolve/(?:{COMMIT}|main)/(.+)", path)
        if not file or file[1] not in hub.files:
            return self.answer(404, b"", X_Error_Code="EntryNotFound")
        if hub.gated:
            return self.answer(403, b"", X_Error_Code="GatedRepo", X_Error_Message="You must accept the conditions")
        if hub.is_lfs(file[1]):
            return self.answer(
                302,
                Location=f"{hub.storage.url}/store/{file[1]}?signature=s3cret",
                X_Linked_Etag=f'"{hub.etag(file[1])}"',
                X_Linked_Size=len(hub.files[file[1]]),
                X_Repo_Commit=COMMIT,
            )
        self.send_file(hub, file[1])


class StorageHandler(Handler):
    where = "storage"

    def do_GET(self):
        hub = self.note()
        with hub.lock:
            failure = hub.fail_next.pop(0) if hub.fail_next else None
        if failure:
            return self.answer(failure[0], b"", **failure[1])
        self.send_file(hub, self.path.partition("?")[0].removeprefix("/store/"))


def wait_until(condition, seconds: float = 60):
    """For what another process does; the time only ends a test that has failed."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
