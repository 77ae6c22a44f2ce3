"""Ctrl-C at a chosen line, for tests of what it leaves behind."""

import sys


def interrupted_at(line, f, traced, where=None):
    """Whether f() was interrupted at its `line`-th line, counted from 1, of code for which `traced` is true.

    False if it came to an end before. `where` gets the name of the function.
    """
    there = 0

    def trace(frame, event, _):
        nonlocal there
        if not traced(frame.f_code):
            return None
        there += event == "line"
        if there == line and event == "line":
            sys.settrace(None)
            if where is not None:
                where.append(frame.f_code.co_name)
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        f()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False
