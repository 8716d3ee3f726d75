#!/usr/bin/python3
"""Shows one POP3 session through popbridge, from a sandbox Dovecot.

usage: demo.py POPBRIDGE [--once]
"""

import os
import re
import signal
import socket
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import proxy  # noqa: E402
import sandbox  # noqa: E402

NAME, PASSWORD = "max.mustermann", "geheim123"


# Of 120 and 200 octets, as in many a text book.
MESSAGES = (b"""\
From: Erika <erika@example.org>
Subject: message 1

Dear Max, counted with its line ends this message is 120 octets
""".replace(b"\n", b"\r\n"), b"""\
From: Erika <erika@example.org>
Subject: message 2

Dear Max, counted with its line ends this message is of 200 octets.
The Maildir has it with bare LF, or CR LF, and POP3 counts CR LF; good bye
""".replace(b"\n", b"\r\n"))


class Mismatch(Exception):
    pass


class Session:
    """A POP3 client that prints what it says and hears."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=60)
        self.stream = self.socket.makefile("rb")

    def line(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise Mismatch("the connection ended, or a line without CR LF: "
                           "%r" % line)
        text = line[:-2].decode("utf-8", "replace")
        print("S: " + text)
        return text

    def expect(self, pattern):
        line = self.line()
        if not re.fullmatch(pattern, line):
            raise Mismatch("expected a reply like %r" % pattern)
        return line

    def say(self, command, pattern):
        print("C: " + command)
        self.socket.sendall(command.encode() + b"\r\n")
        return self.expect(pattern)

    def rest(self):
        """The lines of a multi-line reply, without the final dot."""
        lines = []
        line = self.line()
        while line != ".":
            lines.append(line[1:] if line.startswith(".") else line)
            line = self.line()
        return lines

    def close(self):
        self.stream.close()
        self.socket.close()


def textbook(host, port):
    """The session that every POP3 text book prints.  Deletes message 1."""
    ok = r"\+OK.*"
    s = Session(host, port)
    try:
        s.expect(ok)
        s.say("USER " + NAME, ok)
        s.say("PASS " + PASSWORD, ok)
        s.say("STAT", r"\+OK 2 320")
        s.say("LIST", ok)
        if s.rest() != ["1 120", "2 200"]:
            raise Mismatch("expected messages of 120 and 200 octets")
        s.say("UIDL", ok)
        uidls = [line.split(" ") for line in s.rest()]
        if ([u[0] for u in uidls] != ["1", "2"]
                or not all(re.fullmatch("[0-9a-f]{16}", u[1]) for u in uidls)
                or uidls[0][1] == uidls[1][1]):
            raise Mismatch("expected two unique ids")
        s.say("RETR 1", r"\+OK 120 octets")
        body = "".join(line + "\r\n" for line in s.rest()).encode()
        if body != MESSAGES[0]:
            raise Mismatch("expected the very octets that were delivered")
        s.say("DELE 1", ok)
        s.say("QUIT", ok)
        if s.stream.read() != b"":
            raise Mismatch("expected the end of the connection")
    finally:
        s.close()


def one_is_left(server, user):
    client = server.imap(user)
    try:
        client.select("INBOX", readonly=True)
        _, data = client.uid("FETCH", "1:*", "(RFC822.SIZE)")
        if len(data) != 1 or b"RFC822.SIZE 200" not in data[0]:
            raise Mismatch("message 2 alone should be left, found %r" % data)
    finally:
        client.logout()


def explain(bridge):
    where = (bridge.host, bridge.port)
    print("""
popbridge goes on serving the message that is left:

  host      %s
  port      %d (POP3, no TLS)
  user      %s
  password  %s

  log       %s

  curl -u %s:%s pop3://%s:%d/1

Ctrl-C ends it and removes everything.""" % (
        *where, NAME, PASSWORD, bridge.log_file, NAME, PASSWORD, *where), flush=True)


def main():
    args = sys.argv[1:]
    once = "--once" in args
    if once:
        args.remove("--once")
    if len(args) != 1:
        print(__doc__, file=sys.stderr)
        return 64
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    bridge = None
    try:
        with sandbox.Dovecot(tls=False, pop3=False) as server:
            user = server.add_user(NAME, PASSWORD)
            for octets in MESSAGES:
                server.deliver(user, octets)
            bridge = proxy.Popbridge(
                args[0], "imap+plain://127.0.0.1:%d" % server.imap_port)
            print("an IMAP server with two messages: 127.0.0.1:%d\n"
                  "popbridge in front of it:         %s:%d\n" % (
                      server.imap_port, bridge.host, bridge.port))
            textbook(bridge.host, bridge.port)
            one_is_left(server, user)
            if not once:
                explain(bridge)
                bridge.process.wait()
            status = bridge.stop()
            if status != 0:
                raise Mismatch("popbridge ended with status %s" % status)
            return 0
    except KeyboardInterrupt:
        print("\nending")
        return 0
    except (Mismatch, RuntimeError, OSError) as e:
        print("scripts/run: " + str(e), file=sys.stderr)
        if bridge is not None:
            print("what popbridge wrote:\n" + bridge.log(), file=sys.stderr)
        return 1
    finally:
        if bridge is not None:
            bridge.close()


if __name__ == "__main__":
    sys.exit(main())
