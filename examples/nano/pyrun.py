"""Runs one python cell the way the product shows it to the model (standard library only)."""

import contextlib
import io
import linecache
import sys
import traceback

from harmony import WARN_EMPTY


def run_cell(code: str, number: int, namespace: dict) -> str:
    """Execute `code` as cell `number`; the text printed, or the traceback of its error."""
    name = f"<cell {number}>"
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(code, name, "exec"), namespace)  # noqa: S102 - the tool's purpose
    except BaseException:  # the error text is the result
        kind, error, trace = sys.exc_info()
        while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
            trace = trace.tb_next
        out.write("".join(traceback.format_exception(kind, error, trace)))
    return out.getvalue().rstrip("\n") or WARN_EMPTY
