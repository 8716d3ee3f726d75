"""Two networks of a test's own, with a cable between them: a host whose network
is gone says nothing any more, neither FIN nor RST."""

import contextlib
import ctypes
import os
import socket
import subprocess

CLONE_NEWNET = 0x40000000
HERE = "192.0.2.1"
THERE = "192.0.2.2"

libc = ctypes.CDLL(None, use_errno=True)


def call(function, *args):
    if function(*args) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def ip(*words):
    subprocess.run(["ip", *words], check=True, stdin=subprocess.DEVNULL)


def own_network():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextlib.contextmanager
def entered(network):
    """This thread, and what it starts, is in that network."""
    before = own_network()
    call(libc.setns, network, CLONE_NEWNET)
    try:
        yield
    finally:
        call(libc.setns, before, CLONE_NEWNET)
        os.close(before)


def new_network():
    before = own_network()
    call(libc.unshare, CLONE_NEWNET)
    try:
        ip("link", "set", "lo", "up")
        return own_network()
    finally:
        call(libc.setns, before, CLONE_NEWNET)
        os.close(before)


class Cable:
    """here and there are networks, in which HERE and THERE are hosts."""

    def __init__(self):
        self.here = new_network()
        self.there = new_network()
        with entered(self.there):
            # The other end of a pair can only be given to a process's network.
            with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as holder:
                with entered(self.here):
                    ip("link", "add", "cable", "address",
                       "02:00:00:00:00:01", "type", "veth", "peer", "name",
                       "cable", "address", "02:00:00:00:00:02", "netns",
                       str(holder.pid))
                holder.stdin.close()
        for network, own, other, address in (
                (self.here, HERE, THERE, "02:00:00:00:00:02"),
                (self.there, THERE, HERE, "02:00:00:00:00:01")):
            with entered(network):
                ip("address", "add", own + "/24", "dev", "cable")
                ip("link", "set", "cable", "up")
                # Nobody must ask who has the address: it may be gone.
                ip("neighbour", "add", other, "lladdr", address, "dev",
                   "cable", "nud", "permanent")

    def pull(self):
        """What is sent from here arrives nowhere, and nothing comes back."""
        with entered(self.there):
            ip("address", "flush", "dev", "cable")

    def is_quiet(self):
        """All that was sent from here has arrived, and been confirmed."""
        with entered(self.here), open("/proc/thread-self/net/tcp") as f:
            return all(line.split()[4].startswith("00000000:")
                       for line in f.readlines()[1:])

    def connect(self, address):
        """A socket there, connected to a host here."""
        with entered(self.there):
            return socket.create_connection(address, timeout=60)

    def close(self):
        os.close(self.here)
        os.close(self.there)
