# Runs in the sandbox. Gives what it finds as files of the workspace: "opened" and "batch"; "trouble" says why there is none.
import struct
import time

_SECONDS = 1.0
_NAME_BYTES = 1000


def _write(name, data):
    with open(name, "wb") as file:
        file.write(data)


def _trouble(kind, error):
    _write("trouble", (kind + "\n" + type(error).__name__ + ": " + str(error)).encode("utf-8", "replace"))


def open_archive(path):
    global _archive
    try:
        from libzim.reader import Archive
    except ImportError as error:
        return _trouble("missing", error)
    try:
        _archive = Archive(path)
        # The newer layout has the pages first, the older one has them in a folder "A" among others.
        n = _archive.entry_count if _archive.has_new_namespace_scheme else _archive.all_entry_count
        _write("opened", struct.pack("<Q", n))
    except Exception as error:
        _trouble("damaged", error)


def _record(kind, path, title, body):
    parts = [path.encode("utf-8", "replace"), title.encode("utf-8", "replace")[:_NAME_BYTES], body]
    return struct.pack("<BIII", kind, *map(len, parts)) + b"".join(parts)


def _page(entry, page_bytes):
    """A record, nothing for what is no page, or False for a page that is left out."""
    path = entry.path
    if not _archive.has_new_namespace_scheme and not path.startswith("A/"):
        return b""
    if len(path.encode("utf-8", "replace")) > _NAME_BYTES:
        return False
    if entry.is_redirect:
        return _record(2, path, "", entry.get_redirect_entry().path.encode("utf-8", "replace"))
    item = entry.get_item()
    kind = item.mimetype.partition(";")[0].strip().lower()
    if kind not in ("text/html", "application/xhtml+xml", "text/plain"):
        return b""
    if item.size > page_bytes:
        return False
    return _record(0 if kind == "text/plain" else 1, path, entry.title, bytes(item.content))


def read_batch(first, end, page_bytes, batch_bytes):
    records, size, left_out, at = [], 0, 0, first
    started = time.monotonic()
    while at < end and size < batch_bytes and time.monotonic() - started < _SECONDS:
        try:
            record = _page(_archive._get_entry_by_id(at), page_bytes)
        except Exception:  # this entry is damaged; others may not be
            record = False
        at += 1
        if record is False:
            left_out += 1
        elif record:
            records.append(record)
            size += len(record)
    _write("batch", struct.pack("<QQ", at, left_out) + b"".join(records))
