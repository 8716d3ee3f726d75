"""An IMAP server that does as it is told: right by default, wrong on demand.

A connection asks a handler for each step.  Steps are "greeting" and the
commands by their names; the UID commands are SIZES, BODY, STORE, EXPUNGE and
SEARCH.  Tests replace handlers for the connections that come afterwards:

    server.on = {"SELECT": says(b"TAG NO not today\\r\\n")}

A handler is called with the connection, the tag and the arguments, and may
send anything, wait, or raise Closed to end the connection.  With implicit TLS
there is a step "handshake" before the greeting.
"""

import base64
import re
import socket
import ssl
import struct
import threading

TIMEOUT = 60
CAPABILITIES = b"IMAP4rev1 UIDPLUS SASL-IR AUTH=PLAIN"


class Closed(Exception):
    """The connection is over."""


def says(data, close=False):
    """A handler that sends this, with the tag where TAG stands."""
    def handler(connection, tag, _):
        connection.send(data.replace(b"TAG", tag))
        if close:
            raise Closed
    return handler


def closes(_, __, ___):
    raise Closed


def stalls(connection, _, __):
    """No answer, until the peer gives up."""
    connection.wait_for_end()


class Connection:
    def __init__(self, server, sock, on):
        self.server = server
        self.socket = sock
        self.on = on
        self.buffer = b""
        self.secured = False

    def send(self, data):
        self.socket.sendall(data)

    def drop(self):
        """Ends the connection by a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
        raise Closed

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise Closed
        self.server.received.append(data)
        self.buffer += data

    def wait_for_end(self):
        while True:
            self.receive()

    def take(self, count):
        while len(self.buffer) < count:
            self.receive()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def command(self):
        """Tag, name and the rest, with literals as the octets they are."""
        line = self.line()
        while True:
            literal = re.search(rb"\{(\d+)(\+?)\}$", line)
            if literal is None:
                break
            if not literal.group(2):
                self.send(b"+ go on\r\n")
            line = line[:literal.start()] + quoted(
                self.take(int(literal.group(1)))) + self.line()
        tag, name, args = (line + b"  ").split(b" ", 2)
        return tag, name.decode().upper(), args.rstrip(b" ")

    def start_tls(self, context=None):
        self.socket = (context or self.server.tls).wrap_socket(
            self.socket, server_side=True)
        self.server.sockets.append(self.socket)
        self.buffer = b""
        self.secured = True

    def step(self, name, tag=b"*", args=b""):
        handler = self.on.get(name) or self.server.handlers[name]
        handler(self, tag, args)

    def serve(self):
        if self.server.implicit_tls:
            self.step("handshake")
        self.step("greeting")
        while True:
            tag, name, args = self.command()
            if name == "UID":
                name, args = uid_command(args)
            self.server.commands.append((name, args))
            self.step(name, tag, args)


def quoted(text):
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", text) + b'"'


def uid_command(args):
    name = args.split(b" ")[0].decode().upper()
    if name == "FETCH":
        name = "BODY" if b"BODY" in args else "SIZES"
    return name, args.split(b" ", 1)[1]


def uids_of(text):
    """3:5,9 as a set."""
    ranges = [[int(n) for n in part.split(b":")] for part in text.split(b",")]
    return {uid for r in ranges for uid in range(r[0], r[-1] + 1)}


class FakeImap:
    """messages are (UID, octets); they stay, whatever is expunged.

    received   all that has come in, in pieces
    commands   (name, arguments) of each command
    logins     (user, password) as they came
    failures   what went wrong in here
    """

    validity = 7

    def __init__(self, messages=(), tls=None, implicit_tls=False,
                 capabilities=CAPABILITIES):
        self.messages = list(messages)
        self.capabilities = capabilities
        self.tls = None
        self.implicit_tls = implicit_tls
        if tls is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(tls + "/server.pem", tls + "/server.key")
        self.on = {}
        self.received = []
        self.commands = []
        self.logins = []
        self.failures = []
        self.handlers = {
            "handshake": lambda c, *_: c.start_tls(),
            "greeting": self.greeting, "CAPABILITY": self.capability,
            "STARTTLS": self.starttls, "ID": ok, "NOOP": ok,
            "AUTHENTICATE": self.authenticate, "LOGIN": self.login,
            "SELECT": self.select, "SIZES": self.sizes, "BODY": self.body,
            "STORE": ok, "EXPUNGE": ok, "SEARCH": self.search,
            "STATUS": self.status,
            "MYRIGHTS": says(b"* MYRIGHTS INBOX lrswipkxtea\r\nTAG OK done\r\n"),
            "LOGOUT": says(b"* BYE bye\r\nTAG OK bye\r\n", close=True)}
        self.sockets = []
        self.threads = []
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        self.accepting = threading.Thread(target=self._accept)
        self.accepting.start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            sock.settimeout(TIMEOUT)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock, self.on)
            self.sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self.threads.append(thread)
            thread.start()

    def _serve(self, connection):
        try:
            connection.serve()
        except (Closed, ConnectionError, ssl.SSLError):
            pass
        except Exception as error:  # told by the test that looks here
            self.failures.append(repr(error))
        finally:
            connection.socket.close()

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.accepting.join()
        self.listener.close()
        for sock in self.sockets:
            try:
                # That of TLS would forget what its thread waits in.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self.threads:
            thread.join()

    def has_received(self, secret):
        """Whether this came in, as it is or inside a base64 word."""
        data = b"".join(self.received)
        words = re.findall(rb"[A-Za-z0-9+/]{8,}=*", data)
        return secret in data or any(
            secret in base64.b64decode(w[:len(w) // 4 * 4]) for w in words)

    # the right behaviour

    def announced(self, connection):
        words = self.capabilities
        if self.tls and not connection.secured:
            words += b" STARTTLS"
        return words

    def greeting(self, connection, *_):
        connection.send(b"* OK [CAPABILITY %s] ready\r\n" %
                        self.announced(connection))

    def capability(self, connection, tag, _):
        connection.send(b"* CAPABILITY %s\r\n%s OK done\r\n" % (
            self.announced(connection), tag))

    def starttls(self, connection, tag, _):
        connection.send(tag + b" OK now\r\n")
        connection.start_tls()

    def authenticate(self, connection, tag, args):
        message = args.partition(b" ")[2]
        if not message:
            connection.send(b"+ \r\n")
            message = connection.line()
        _, user, password = base64.b64decode(message).split(b"\0")
        self.logins.append((user, password))
        connection.send(tag + b" OK logged in\r\n")

    def login(self, connection, tag, args):
        words = re.findall(rb'"((?:[^"\\]|\\.)*)"|(\S+)', args, re.S)
        user, password = (
            re.sub(rb"\\(.)", rb"\1", q, flags=re.S) or a for q, a in words)
        self.logins.append((user, password))
        connection.send(tag + b" OK logged in\r\n")

    def select(self, connection, tag, _):
        connection.send(
            b"* FLAGS (\\Seen \\Deleted)\r\n* %d EXISTS\r\n* 0 RECENT\r\n"
            b"* OK [UIDVALIDITY %d] valid\r\n%s OK [READ-WRITE] open\r\n" % (
                len(self.messages), self.validity, tag))

    def status(self, connection, tag, args):
        connection.send(b"* STATUS %s (UIDVALIDITY %d)\r\n%s OK done\r\n" % (
            args.rpartition(b" (")[0], self.validity, tag))

    def listing(self):
        return [b"* %d FETCH (UID %d RFC822.SIZE %d)\r\n" % (
            i, uid, len(message))
            for i, (uid, message) in enumerate(self.messages, 1)]

    def sizes(self, connection, tag, _):
        connection.send(b"".join(self.listing()) + tag + b" OK listed\r\n")

    def find_all(self, args):
        """Of each message asked for: sequence number, UID, text and the name
        of the part."""
        part = re.search(rb"<(\d+)\.(\d+)>", args)
        start, count = map(int, part.groups()) if part else (0, 1 << 32)
        name = b"BODY[]<%d>" % start if part else b"BODY[]"
        wanted = uids_of(args.split(b" ")[0])
        return [(i, uid, text[start:start + count], name)
                for i, (uid, text) in enumerate(self.messages, 1)
                if uid in wanted]

    def find(self, args):
        """The same of the first one."""
        return self.find_all(args)[0]

    def body(self, connection, tag, args):
        for number, uid, text, name in self.find_all(args):
            connection.send(b"* %d FETCH (UID %d %s {%d}\r\n%s)\r\n" % (
                number, uid, name, len(text), text))
        connection.send(tag + b" OK\r\n")

    def search(self, connection, tag, _):
        connection.send(b"* SEARCH\r\n" + tag + b" OK searched\r\n")


def ok(connection, tag, _):
    connection.send(tag + b" OK done\r\n")
