"""A POP3 client that hides nothing: bytes as they came."""

import socket
import struct

TIMEOUT = 60
LINE_MAX = 512  # of a reply's first line, RFC 2449


class Pop3:
    def __init__(self, address, source=None, connected=None):
        """source: the client's own address, such as 127.0.0.2; or there is a
        socket that is connected already."""
        self.socket = connected or socket.create_connection(
            address, timeout=TIMEOUT,
            source_address=(source, 0) if source else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """One reply line without its CR LF."""
        line = self.stream.readline()
        assert line.endswith(b"\r\n"), "cut off or without CR LF: %r" % line
        assert len(line) <= LINE_MAX, "too long: %r" % line
        return line[:-2]

    def payload(self):
        """The lines of a multi-line reply, dot-stuffed as they came, without
        the dot that ends it."""
        parts = []
        ended = True
        while True:
            line = self.stream.readline()
            assert line.endswith(b"\n"), "cut off in a reply: %r" % line[-80:]
            if ended and line == b".\r\n":
                return b"".join(parts)
            ended = line.endswith(b"\r\n")
            parts.append(line)

    def cmd(self, command):
        """Sends one command; the first line of its reply."""
        if isinstance(command, str):
            command = command.encode()
        self.send(command + b"\r\n")
        return self.line()

    def ok(self, command):
        reply = self.cmd(command)
        assert reply.startswith(b"+OK"), "%r: %r" % (command, reply)
        return reply

    def err(self, command, code=None):
        """A command that must be refused, with this response code."""
        reply = self.cmd(command)
        start = b"-ERR" if code is None else b"-ERR [" + code.encode() + b"]"
        assert reply.startswith(start), "%r: %r" % (command, reply)
        return reply

    def multi(self, command):
        self.ok(command)
        return self.payload()

    def greeting(self):
        reply = self.line()
        assert reply.startswith(b"+OK"), reply
        return reply

    def login(self, user):
        self.greeting()
        self.ok("USER " + user.name)
        return self.ok("PASS " + user.password)

    def half_close(self):
        self.socket.shutdown(socket.SHUT_WR)

    def rest(self):
        """Everything up to the end of the connection; a reset counts as the
        end."""
        parts = []
        try:
            while True:
                part = self.stream.read1(65536)
                if not part:
                    break
                parts.append(part)
        except ConnectionResetError:
            pass
        return b"".join(parts)

    def quit(self):
        reply = self.cmd("QUIT")
        assert self.rest() == b""
        return reply

    def reset(self):
        """Ends the connection the hard way."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def unstuff(payload):
    """The message that a payload carries."""
    return b"".join(line[1:] if line.startswith(b".") else line
                    for line in payload.splitlines_crlf())


def numbered(payload):
    """LIST or UIDL as a list of (number, value)."""
    return [(int(n), v) for n, v in
            (line.split(b" ") for line in payload.split(b"\r\n")[:-1])]
