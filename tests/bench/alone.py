"""What popbridge does alone, with no peer beside it.

Each scenario leaves its findings, as sentences, in the bench's notes.
"""

import socket
import ssl
import time

import peers
import processes

# What a client of the slow reader takes, in octets a second.
SLOW = 25e6


class Client:
    """A POP3 client over a connected socket."""

    def __init__(self, connection):
        self.socket = connection
        self.rest = b""
        self.line()

    def line(self):
        while b"\r\n" not in self.rest:
            octets = self.socket.recv(65536)
            if not octets:
                raise RuntimeError("the connection was closed")
            self.rest += octets
        line, _, self.rest = self.rest.partition(b"\r\n")
        return line

    def command(self, text):
        self.socket.sendall(text.encode() + b"\r\n")
        line = self.line()
        if not line.startswith(b"+OK"):
            raise RuntimeError("%s: %s" % (text, line.decode()))
        return line

    def lines(self, text, pace=None):
        """Octets of a multi-line answer, taken as they come or at a pace."""
        self.command(text)
        started = time.monotonic()
        total, tail = len(self.rest), b"\r\n" + self.rest
        while not tail.endswith(b"\r\n.\r\n"):
            octets = self.socket.recv(262144)
            if not octets:
                raise RuntimeError("the connection was closed")
            total += len(octets)
            tail = (tail + octets)[-5:]
            ahead = total / pace - (time.monotonic() - started) if pace else 0
            if ahead > 0:
                time.sleep(ahead)
        self.rest = b""
        return total

    def login(self, user):
        self.command("USER " + user.name)
        self.command("PASS " + user.password)
        return self


def plain(server):
    connection = socket.create_connection(server.ports["plain"], 60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Client(connection)


def slow_reader(b):
    """A 64 MB message to a client that takes 25 MB a second: memory."""
    octets = min(64 * 1024 * 1024, 4 * b.p["large_octets"])
    user = b.mailbox("slow", 1, octets)
    server = b.start(peers.Popbridge, b.binary, b.upstream)
    with processes.Peak(server.session) as peak:
        started = time.monotonic()
        plain(server).login(user).lines("RETR 1", SLOW)
        took = time.monotonic() - started
    b.notes.append("%.0f MB to a slow reader: %.1f s, peak of the process "
                   "%.1f MB" % (octets / 1e6, took, peak.octets / 1e6))


def listing(b):
    """A mailbox of many messages: memory of a session, answers for one n."""
    n = b.p["huge_messages"]
    user = b.mailbox("huge", n, 300)
    server = b.start(peers.Popbridge, b.binary, b.upstream)
    plain(server).login(user).command("QUIT")
    before = server.session.pss()
    started = time.monotonic()
    client = plain(server).login(user)
    took = time.monotonic() - started
    b.notes.append("%d messages: login %.3f s, %.2f MB more" % (
        n, took, (server.session.pss() - before) / 1e6))
    for text in ("UIDL", "LIST"):
        started = time.monotonic()
        octets = client.lines(text)
        b.notes.append("%s: %d octets in %.3f s" % (
            text, octets, time.monotonic() - started))
        for which in (1, n):
            started = time.monotonic()
            for _ in range(1000):
                client.command("%s %d" % (text, which))
            b.notes.append("%s %d: %.0f us" % (
                text, which, (time.monotonic() - started) * 1000))


def handshakes(b):
    """What a client of TLS costs the process: the handshake, the session.
    Every handshake is a full one."""
    user = b.mailbox("handshakes", 1, 2000)
    server = b.start(peers.Popbridge, b.binary, b.upstream)
    trusted = ssl.create_default_context(cafile=b.upstream.ca)

    def connect():
        return Client(trusted.wrap_socket(
            socket.create_connection(server.ports["tls"], 60),
            server_hostname="localhost"))

    def session():
        client = connect().login(user)
        client.command("QUIT")
        return client

    costs = []
    for name, once in (("handshake and greeting", connect),
                       ("handshake, login and QUIT", session)):
        once().socket.close()
        before = server.session.cpu()
        started = time.monotonic()
        for _ in range(b.p["handshakes"]):
            once().socket.close()
        took = time.monotonic() - started
        costs.append(server.session.cpu() - before)
        b.notes.append("%d x %s: %.2f CPU ms each (%.0f/s)" % (
            b.p["handshakes"], name, costs[-1] * 1000 / b.p["handshakes"],
            b.p["handshakes"] / took))
    b.notes.append("the second is %.2f times the first" % (
        costs[1] / costs[0]))


def login_times(b, server, user):
    """Seconds from connecting to the answer to PASS, in order of size."""
    times = []
    for _ in range(b.p["logins"]):
        started = time.monotonic()
        client = plain(server).login(user)
        times.append(time.monotonic() - started)
        client.command("QUIT")
        client.socket.close()
    return sorted(times)


def crowd(b):
    """Logins while thousands who never log in are connected; the goal is less
    than twice the time that they take alone."""
    user = b.mailbox("crowd", 10, 2000)
    server = b.start(peers.Popbridge, b.binary, b.upstream)
    login_times(b, server, user)
    alone = login_times(b, server, user)
    before = server.session.pss()
    clients = [plain(server) for _ in range(b.p["crowd"])]
    after = server.session.pss()
    among = login_times(b, server, user)
    for client in clients:
        # Nobody of them was sent away.
        client.command("CAPA")
        client.socket.close()
    for name, times in (("alone", alone), ("among %d idle clients" %
                                           len(clients), among)):
        b.notes.append("login %s: median %.2f ms, 95 %% below %.2f ms" % (
            name, times[len(times) // 2] * 1000,
            times[len(times) * 95 // 100] * 1000))
    b.notes.append("%.2f times the time; %.1f KB for each idle client" % (
        among[len(among) // 2] / alone[len(alone) // 2],
        (after - before) / 1024 / len(clients)))


ALONE = {
    "slow-reader": slow_reader,
    "listing": listing,
    "handshakes": handshakes,
    "crowd": crowd,
}
