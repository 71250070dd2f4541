"""Tells, as JSON, what this interpreter consists of: run once, by the server, before any code is."""

import ctypes
import importlib
import json
import os
import platform
import sys
import sysconfig

# They draw in whole systems of windows and terminals.
SKIPPED = {"_tkinter", "readline", "_curses", "_curses_panel", "_gdbm", "_dbm"}


class Loaded(ctypes.Structure):
    _fields_ = [("address", ctypes.c_void_p), ("name", ctypes.c_char_p)]


def load_all():
    """Loads every extension of the standard library, and with it the libraries that it needs."""
    for folder in sys.path:
        if not os.path.isdir(folder):
            continue
        for file in os.listdir(folder):
            name, _, rest = file.partition(".")
            if rest.endswith("so") and name not in SKIPPED and "test" not in name:
                try:
                    importlib.import_module(name)
                except Exception:
                    pass
    try:
        # The C library loads it on its own when a thread is ended.
        ctypes.CDLL("libgcc_s.so.1")
    except OSError:
        pass


def loaded():
    """The libraries of this process, by the names under which the loader found them."""
    names = []
    visit = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(Loaded), ctypes.c_size_t, ctypes.c_void_p)

    @visit
    def note(it, _size, _data):
        name = os.fsdecode(it.contents.name or b"")
        if name.startswith("/"):
            names.append(os.path.normpath(name))
        return 0

    ctypes.CDLL(None).dl_iterate_phdr(note, None)
    return names


def zones():
    paths = (sysconfig.get_config_var("TZPATH") or "").split(os.pathsep)
    return [it for it in paths if os.path.isdir(it)][:1]


standard = [os.path.realpath(it) for it in sys.path if os.path.isdir(it)]
load_all()
folders = []
for it in sorted(set(standard + [os.path.realpath(it) for it in zones()]), key=len):
    if not any(it.startswith(outer + os.sep) for outer in folders):
        folders.append(it)
executable = os.path.realpath(sys.executable)
files = {it: os.path.realpath(it) for it in loaded()}
files.pop(executable, None)
inside = lambda it: any(it.startswith(folder + os.sep) for folder in folders)
print(json.dumps({
    "executable": executable,
    "version": platform.python_version(),
    "folders": folders,
    "files": [{"at": at, "from": it} for at, it in sorted(files.items()) if not inside(at)],
}))
