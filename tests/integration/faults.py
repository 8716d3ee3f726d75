"""Faults of the system below popbridge: faults.c, preloaded, and its switches.

    faults = Faults(folder)
    bridge = start_bridge(..., env=faults.env())
    faults.set(NAME_HOLD=1)
"""

import mmap
import os
import re
import struct
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = HERE + "/faults.c"


def slots():
    """The names of faults.c's enum slot, in their order."""
    with open(SOURCE) as f:
        body = re.search(r"enum slot \{(.*?)\};", f.read(), re.S).group(1)
    return re.findall(r"^\t([A-Z_]+)", body, re.M)


class Faults:
    def __init__(self, folder):
        self.library = str(folder) + "/faults.so"
        self.file = str(folder) + "/faults"
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra",
                        "-Werror", "-o", self.library, SOURCE], check=True)
        self.names = slots()
        with open(self.file, "wb") as f:
            f.write(bytes(8 * len(self.names)))
        with open(self.file, "r+b") as f:
            self.map = mmap.mmap(f.fileno(), 0)

    def env(self):
        # It stands in front of the sanitizers' library and calls it.
        options = ":".join(filter(None, (
            os.environ.get("ASAN_OPTIONS"), "verify_asan_link_order=0")))
        return {"LD_PRELOAD": self.library, "FAULTS": self.file,
                "ASAN_OPTIONS": options}

    def get(self, name):
        at = 8 * self.names.index(name)
        return struct.unpack_from("q", self.map, at)[0]

    def set(self, **values):
        for name, value in values.items():
            struct.pack_into("q", self.map, 8 * self.names.index(name), value)

    def clear(self):
        """Nothing fails any more; what was told is forgotten."""
        self.map[:] = bytes(len(self.map))
