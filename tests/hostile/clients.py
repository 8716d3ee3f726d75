"""The client's part of a scenario: an ordinary session that looks closely at
each reply, and a hostile client that does what its scenario says."""

import random
import re
import socket
import ssl
import struct
import time

from scenario import line_of, octets

TIMEOUT = 60
LINE_MAX = 512
MARK = b"UPSTREAM"
# How long a client that floods waits until somebody reads.
PATIENCE = 1
ORDINARY = ("stat list uidl retr-1 retr-2 top-2 dele-1 retr-3 quit").split()


class Bad(Exception):
    """Something that no client may see."""


def checked(line):
    """One first line of a reply, as it came."""
    if not line.endswith(b"\r\n") or len(line) > LINE_MAX:
        raise Bad("no reply line: %r" % line[:600])
    text = line[:-2]
    if not re.fullmatch(rb"(\+OK|-ERR)( [ -~]*)?|\+ [ -~]*", text):
        raise Bad("not well formed: %r" % text)
    if MARK in text:
        raise Bad("the server's text reached the client: %r" % text)
    return text


def code_of(reply):
    """ok, or the code of a refusal, or error."""
    if reply.startswith(b"+OK"):
        return "ok"
    code = re.match(rb"-ERR (\[[A-Z/-]+\])", reply)
    return code.group(1).decode() if code else "error"


def stuffed(message):
    text = re.sub(rb"(?m)^\.", b"..", message)
    return text if text.endswith(b"\r\n") else text + b"\r\n"


class Wire:
    """The client's socket, with the ways a hostile one has to send."""

    def __init__(self, address, source):
        self.socket = socket.create_connection(address, TIMEOUT, source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.size = None
        self.pause = 0
        self.ended = False

    def send(self, data):
        size = self.size or len(data) or 1
        for i in range(0, len(data), size):
            self.socket.sendall(data[i:i + size])
            if self.pause:
                time.sleep(self.pause)

    def more(self):
        """Whether there was more to read."""
        try:
            data = b"" if self.ended else self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        except TimeoutError:
            raise Bad("no answer and no end for %d s" % TIMEOUT) from None
        self.ended = not data
        self.buffer += data
        return bool(data)

    def line(self):
        """With its line end; what there is when the connection has ended."""
        while b"\n" not in self.buffer:
            if not self.more():
                line, self.buffer = self.buffer, b""
                return line
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line + b"\n"

    def payload(self):
        """The lines before the dot; whether that came."""
        parts = []
        at_start = True
        while True:
            line = self.line()
            if at_start and line == b".\r\n":
                return b"".join(parts), True
            parts.append(line)
            at_start = line.endswith(b"\r\n")
            if not line.endswith(b"\n"):
                return b"".join(parts), False

    def secure(self, trusted):
        self.socket = trusted.wrap_socket(self.socket,
                                          server_hostname="localhost")

    def drain(self):
        while self.more():
            pass
        data, self.buffer = self.buffer, b""
        return data

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.socket.close()


class Ordinary:
    """Plays a session as any client would, and notes what came of it."""

    def __init__(self, variant, wire, user, password):
        self.variant = variant
        self.wire = wire
        self.user = user
        self.password = password
        self.seen = []
        self.texts = [[m] for _, m in variant.messages]
        self.texts[0] += variant.may
        self.deleted = False
        self.quit_said = False

    def reply(self):
        line = self.wire.line()
        return checked(line) if line else None

    def cmd(self, command):
        try:
            self.wire.send(command.encode() + b"\r\n")
        except ConnectionError:
            return None
        return self.reply()

    def note(self, event, outcome):
        self.seen.append((event, outcome))

    def play(self):
        if code_of(self.reply() or b"") != "ok":
            raise Bad("no greeting")
        self.cmd("USER " + self.user)
        reply = self.cmd("PASS " + self.password)
        if reply is None:
            raise Bad("a login without an answer")
        self.note("login", code_of(reply))
        if code_of(reply) != "ok":
            if self.cmd("CAPA") is not None:
                self.lines(rb"[ -~]+")
            if code_of(self.cmd("STAT") or b"") == "ok":
                raise Bad("a maildrop without a login")
            self.cmd("QUIT")
            return
        steps = self.variant.get("dialogue")
        for step in steps.split() if steps else ORDINARY:
            verb, _, number = step.partition("-")
            if not getattr(self, "do_" + verb)(int(number or 0)):
                return

    def lines(self, pattern):
        data, whole = self.wire.payload()
        for line in data.split(b"\r\n")[:-1]:
            if not re.fullmatch(pattern, line) or MARK in line:
                raise Bad("not well formed: %r" % line)
        if not whole:
            raise Bad("a list without its end")

    def simple(self, event, command, pattern):
        reply = self.cmd(command)
        if reply is None:
            self.note(event, "closed")
            return False
        self.note(event, code_of(reply))
        if code_of(reply) == "ok" and pattern:
            self.lines(pattern)
        return True

    def do_stat(self, _):
        return self.simple("stat", "STAT", None)

    def do_list(self, _):
        return self.simple("list", "LIST", rb"\d+ \d+")

    def do_uidl(self, _):
        return self.simple("uidl", "UIDL", rb"\d+ [!-~]{1,70}")

    def do_retr(self, number):
        return self.message("retr", "RETR %d" % number, number, None)

    def do_top(self, number):
        return self.message("top", "TOP %d 1" % number, number, 1)

    def do_dele(self, number):
        reply = self.cmd("DELE %d" % number)
        self.deleted = code_of(reply or b"") == "ok"
        return reply is not None

    def do_quit(self, _):
        self.quit_said = True
        reply = self.cmd("QUIT")
        self.note("quit", "closed" if reply is None else code_of(reply))
        if self.wire.drain():
            raise Bad("octets behind the end")
        return False

    def message(self, event, command, number, lines):
        reply = self.cmd(command)
        if reply is None or code_of(reply) != "ok":
            self.note(event, "closed" if reply is None else code_of(reply))
            return reply is not None
        data, whole = self.wire.payload()
        self.note(event, "whole" if whole else "cut")
        if self.variant.has("foreign"):
            return whole
        rights = [stuffed(top(m, lines)) for m in self.texts[number - 1]]
        if not (data in rights if whole
                else any(r.startswith(data) for r in rights)):
            raise Bad("%s: %s octets that are not the message: %r" % (
                command, "whole" if whole else "cut", data[:200]))
        return whole


def top(message, lines):
    if lines is None:
        return message
    header, _, body = message.partition(b"\r\n\r\n")
    return header + b"\r\n\r\n" + b"".join(body.splitlines(True)[:lines])


class Hostile:
    """Plays the steps of a client's scenario."""

    def __init__(self, variant, wire, user, password, trusted):
        self.variant = variant
        self.wire = wire
        self.user = user
        self.password = password
        self.trusted = trusted
        self.texts = [m for _, m in variant.messages]

    def text(self, rest, of=octets):
        return of(rest.replace("$USER", self.user)
                  .replace("$PASS", self.password))

    def play(self):
        for verb, rest in self.variant.steps:
            try:
                getattr(self, "do_" + verb.replace("-", "_"))(rest)
            except (ConnectionError, ssl.SSLError):
                # A client that was closed while it floods goes on to what
                # it hears then.
                self.wire.ended = True

    def do_greeting(self, _):
        self.do_hear("ok")

    def do_login(self, _):
        self.wire.send(b"USER %s\r\n" % self.user.encode())
        self.do_hear("ok")
        self.wire.send(b"PASS %s\r\n" % self.password.encode())
        self.do_hear("ok")

    def do_send(self, rest):
        self.wire.send(self.text(rest, line_of))

    def do_octets(self, rest):
        """As many as are taken: nobody has to."""
        count, _, text = rest.partition(" of ")
        unit = self.text(text)
        block = unit * (65536 // len(unit) + 1)
        left = int(count)
        self.wire.socket.settimeout(PATIENCE)
        try:
            while left > 0:
                self.wire.send(block[:left])
                left -= len(block)
        except TimeoutError:
            pass
        self.wire.socket.settimeout(TIMEOUT)

    def do_junk(self, rest):
        """Any octets, the same in each run."""
        self.wire.send(random.Random(rest).randbytes(int(rest)))

    def do_drip(self, rest):
        self.wire.size, self.wire.pause = 1, int(rest) / 1000

    def do_split(self, rest):
        self.wire.size = int(rest) or None
        self.wire.pause = 0

    def do_hear(self, rest):
        """ok | error | [CODE] | goes-on | lines | message N"""
        line = self.wire.line()
        reply = checked(line) if line else b"nothing"
        what, _, number = rest.partition(" ")
        if what == "goes-on":
            right = reply.startswith(b"+ ")
        elif what == "error":
            right = reply.startswith(b"-ERR")
        elif what in ("lines", "message"):
            right = code_of(reply) == "ok"
        else:
            right = code_of(reply) == what
        if not right:
            raise Bad("heard %r instead of %s" % (reply, rest))
        if what == "lines" or what == "message":
            data, whole = self.wire.payload()
            if not whole:
                raise Bad("no end of %s" % rest)
            if what == "message" and (
                    data != stuffed(self.texts[int(number) - 1])):
                raise Bad("not the message: %r" % data[:200])

    def do_count(self, rest):
        """count N REPLY: hears it N times."""
        number, _, what = rest.partition(" ")
        for _ in range(int(number)):
            self.do_hear(what)

    def do_rest(self, rest):
        """Up to the end, replies only; at most N of them."""
        lines = self.wire.drain().splitlines(True)
        for line in lines:
            checked(line)
        if len(lines) > int(rest or 1000):
            raise Bad("%d replies: %r" % (len(lines), lines[:3]))

    def do_gone(self, _):
        """The connection ends; nothing in clear text comes before."""
        data = self.wire.drain()
        if b"+OK" in data or b"-ERR" in data or MARK in data:
            raise Bad("heard %r" % data[:200])

    def do_half_close(self, _):
        self.wire.socket.shutdown(socket.SHUT_WR)

    def do_reset(self, _):
        self.wire.reset()

    def do_close(self, _):
        self.wire.close()

    def do_deaf(self, rest):
        time.sleep(int(rest) / 1000)

    def do_secure(self, rest):
        """With rest: for this protocol (ALPN)."""
        context = self.trusted
        if rest:
            context = ssl.create_default_context(
                cadata=b"".join(self.trusted.get_ca_certs(True)))
            context.set_alpn_protocols([rest])
        self.wire.secure(context)
