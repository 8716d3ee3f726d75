"""popbridge without memory, in front of a real Dovecot: in one session after
the other another allocation fails, whoever asks for it.

What the client hears must be replies of POP3; the process lives; a message is
gone only when the client has asked for it, and when it has heard so.
"""

import os
import ssl

import sandbox
from faults import Faults
from pop3client import LINE_MAX, Pop3

MESSAGES = 4
TEXT = b"Subject: %d\r\n\r\n.a line with a dot\r\n" + b"x" * 70 + b"\r\n"
OUR_DOOR = """
listener "door" { url = "pop3s://127.0.0.1:0"
  tls-cert = "%(certs)s/server.pem" tls-key = "%(certs)s/server.key" }
state-directory = "%(state)s"
upstream = "imap://localhost:%(port)d"
upstream-ca = "%(ca)s"
"""


class Broken(Exception):
    """The session is over: refused, or cut off."""


class Client(Pop3):
    def __init__(self, where, trusted):
        try:
            super().__init__(where)
            self.socket = trusted.wrap_socket(self.socket,
                                              server_hostname="localhost")
        except OSError as error:
            raise Broken from error
        self.stream = self.socket.makefile("rb")
        self.heard = []

    def line(self):
        try:
            line = self.stream.readline()
        except OSError as error:
            raise Broken from error
        if not line.endswith(b"\n"):
            raise Broken
        self.heard.append(line)
        assert line.endswith(b"\r\n") and len(line) <= LINE_MAX, line
        assert line.startswith((b"+OK", b"-ERR")), line
        return line[:-2]

    def ok(self, command):
        try:
            reply = self.cmd(command)
        except OSError as error:
            raise Broken from error
        if not reply.startswith(b"+OK"):
            raise Broken
        return reply

    def payload(self):
        try:
            return super().payload()
        except (AssertionError, OSError) as error:
            raise Broken from error


class Starver:
    """start(upstream, *options, config=..., env=...) makes a popbridge."""

    def __init__(self, start, folder, server, options=()):
        self.faults = Faults(folder)
        self.server = server
        certs = str(folder) + "/certs"
        state = str(folder) + "/state"
        os.mkdir(certs)
        os.mkdir(state)
        sandbox.make_certificates(certs)
        self.trusted = ssl.create_default_context(cafile=certs + "/ca.pem")
        self.user = server.add_user("starved%d" % len(server.users),
                                    "geheim")
        self.numbers = 0
        self.config = OUR_DOOR % {
            "certs": certs, "state": state, "port": server.imap_port,
            "ca": server.ca}
        self.start = lambda: start(None, "--workers", "1", *options,
                                   config=self.config, env=self.faults.env())
        self.bridge = self.start()
        self.complete = 0
        self.promised = set()   # by a QUIT that has not come to its end
        self.fill()

    def fill(self):
        while len(self.mailbox()) < MESSAGES:
            self.numbers += 1
            self.server.deliver(self.user, TEXT % self.numbers)

    def mailbox(self):
        """Whatever state Dovecot has them in."""
        found = {}
        for folder in ("cur", "new"):
            path = self.user.maildir + "/" + folder
            for name in os.listdir(path):
                with open(path + "/" + name, "rb") as f:
                    found[f.read()] = name
        return set(found)

    def count(self):
        """How many allocations a session makes."""
        self.faults.clear()
        assert self.session() is None
        assert self.complete
        return self.faults.get("ALLOC_CALLS")

    def session(self, **faults):
        """One session with these faults; what is wrong, or None."""
        self.fill()
        before = self.mailbox()
        self.doomed = None
        self.done = False
        self.faults.set(**faults)
        try:
            self.talk(before)
            self.complete += 1
        except Broken:
            pass
        except AssertionError as error:
            return str(error)
        finally:
            self.faults.set(ALLOC_AT=0, ALLOC_CHANCE=0)
        return self.judge(before)

    def talk(self, before):
        with Client((self.bridge.host, self.bridge.port),
                    self.trusted) as client:
            client.line()
            client.ok("USER " + self.user.name)
            client.ok("PASS " + self.user.password)
            client.multi("LIST")
            client.multi("UIDL")
            texts = []
            for n in range(1, MESSAGES + 1):
                texts.append(client.multi("RETR %d" % n).replace(
                    b"\n..", b"\n."))
                assert texts[-1] in before, "another message: %r" % texts[-1]
            client.multi("TOP 3 1")
            client.ok("DELE 2")
            self.doomed = texts[1]
            self.promised.add(self.doomed)
            client.ok("QUIT")
            self.done = True
            self.promised.clear()

    def judge(self, before):
        if self.bridge.process.poll() is not None:
            return "popbridge ended with %d" % self.bridge.process.returncode
        gone = before - self.mailbox()
        if gone - self.promised - {self.doomed}:
            return "gone without being asked for: %r" % gone
        if self.done and self.doomed not in gone:
            return "QUIT said +OK, and it is still there"
        return None
