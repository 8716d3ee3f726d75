"""POP3 sessions of every kind, good and bad, whatever happens on their way."""

import re
import socket
import struct

LINE_MAX = 512      # of a reply's first line, RFC 2449
SECONDS_MAX = 90    # longer than any deadline of popbridge and the relays
FIRST_LINE = re.compile(rb"(\+OK|-ERR)( [\x20-\x7e]*)?\r\n")
UIDL_LINE = re.compile(rb"(\d+) ([\x21-\x7e]{1,70})")
LIST_LINE = re.compile(rb"(\d+) (\d+)")
REMOVED = re.compile(rb"\+OK goodbye(?:, (\d+) messages removed)?\r\n")

PLAIN, IMPLICIT, STLS = "in clear", "TLS", "STLS"


class Cut(Exception):
    """The connection has ended before its time."""


class Refused(Exception):
    """The login, with a reason that may happen."""


class Wrong(Exception):
    """What no server may say."""


class Wire:
    """One connection, and what comes on it."""

    def __init__(self, port, plans, plan):
        """The relay at the port finds the plan by where we come from."""
        self.socket = socket.socket()
        self.socket.settimeout(SECONDS_MAX)
        self.socket.bind(("127.0.0.1", 0))
        plans[self.socket.getsockname()[1]] = plan
        try:
            self.socket.connect(("127.0.0.1", port))
        except OSError as error:
            raise Cut("not connected") from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")

    def begin_tls(self, context):
        self.stream.close()
        try:
            self.socket = context.wrap_socket(self.socket,
                                              server_hostname="localhost")
        except OSError as error:
            raise self._lost(error) from error
        self.stream = self.socket.makefile("rb")

    @staticmethod
    def _lost(error):
        if isinstance(error, TimeoutError):
            return Wrong("silence for %d seconds" % SECONDS_MAX)
        return Cut(str(error))

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise self._lost(error) from error

    def _read(self, limit=-1):
        try:
            return self.stream.readline(limit)
        except OSError as error:
            raise self._lost(error) from error

    def first_line(self):
        line = self._read(LINE_MAX + 1)
        if len(line) > LINE_MAX:
            raise Wrong("too long a reply: %r" % line)
        if not line.endswith(b"\n"):
            if b"+OK ".startswith(line[:4]) or b"-ERR".startswith(line[:4]):
                raise Cut("in a reply")
            raise Wrong("not a reply: %r" % line)
        if not FIRST_LINE.fullmatch(line):
            raise Wrong("not a reply: %r" % line)
        return line

    def payload(self):
        """The lines up to the dot, without their dots."""
        parts = []
        begins = True
        while True:
            line = self._read()
            if not line.endswith(b"\n"):
                raise Cut("in a payload")
            if begins and line == b".\r\n":
                return b"".join(parts)
            if begins and line.startswith(b"."):
                if not line.startswith(b".."):
                    raise Wrong("a dot that is not stuffed: %r" % line[:80])
                line = line[1:]
            begins = line.endswith(b"\r\n")
            parts.append(line)

    def some(self, n):
        try:
            return self.stream.read1(n)
        except OSError as error:
            raise self._lost(error) from error

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                               struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()


class Session:
    """What a client does from the login on, and what it writes down."""

    def __init__(self, wire, user, ledger, who, rng):
        self.wire = wire
        self.user = user
        self.ledger = ledger
        self.who = who
        self.rng = rng
        self.uniques = {}       # by message number
        self.sizes = {}
        self.deleted = set()    # numbers, as the server has confirmed
        self.outcome = "no QUIT"

    def uid(self, number):
        return int(self.uniques[number][:8], 16)

    def command(self, text):
        self.wire.send(text.encode() + b"\r\n")
        return self.wire.first_line()

    def ok(self, text):
        line = self.command(text)
        if not line.startswith(b"+OK"):
            raise Wrong("%s: %r" % (text, line))

    def log_in(self):
        self.ok("USER " + self.user.name)
        line = self.command("PASS " + self.user.password)
        if line.startswith((b"-ERR [IN-USE] ", b"-ERR [SYS/TEMP] ")):
            raise Refused(line[6:line.index(b"]")].decode())
        if not line.startswith(b"+OK"):
            raise Wrong("the right password: %r" % line)

    def _listing(self, verb, form):
        self.ok(verb)
        found = {}
        for n, line in enumerate(self.wire.payload().split(b"\r\n")[:-1], 1):
            match = form.fullmatch(line)
            if not match or int(match.group(1)) != n:
                raise Wrong("%s: %r" % (verb, line))
            found[n] = match.group(2)
        return found

    def look(self):
        self.uniques = self._listing("UIDL", UIDL_LINE)
        self.sizes = self._listing("LIST", LIST_LINE)
        if len(set(self.uniques.values())) != len(self.uniques):
            raise Wrong("two messages with one unique-id")
        if set(self.uniques) != set(self.sizes):
            raise Wrong("UIDL and LIST do not agree")

    def some(self):
        numbers = [n for n in self.uniques if n not in self.deleted]
        if self.rng.random() < 0.5:
            return numbers
        return self.rng.sample(numbers, self.rng.randint(0, len(numbers)))

    # replies

    def take_message(self, number):
        line = self.wire.first_line()
        if not line.startswith(b"+OK"):
            return      # somebody else has expunged it
        text = self.wire.payload()
        self.ledger.has_seen(self.user.name, self.who, self.uniques[number],
                             text)
        message = self.ledger.message_of(self.user.name, text)
        if message and int(self.sizes[number]) != len(message.text):
            raise Wrong("LIST says %d, and the message has %d octets" % (
                int(self.sizes[number]), len(message.text)))

    def take_top(self, number, lines):
        line = self.wire.first_line()
        if not line.startswith(b"+OK"):
            return
        text = self.wire.payload()
        message = self.ledger.message_of(self.user.name, text)
        if message is None:
            raise Wrong("TOP of what was never delivered: %r" % text[:200])
        self.ledger.has_named(self.user.name, self.who, self.uniques[number],
                              message)
        head, body = message.text.split(b"\r\n\r\n", 1)
        body = b"".join(p + b"\r\n" for p in self._lines(body)[:lines])
        if text != head + b"\r\n\r\n" + body:
            raise Wrong("TOP of %s is not what it should be" % message.name)

    @staticmethod
    def _lines(body):
        lines = body.split(b"\r\n")
        return lines if lines[-1] else lines[:-1]

    def take_quit(self, line):
        match = REMOVED.fullmatch(line)
        if not match:
            if not line.startswith((b"-ERR [SYS/TEMP] ", b"-ERR [SYS/PERM] ")):
                raise Wrong("QUIT: %r" % line)
            self.outcome = "QUIT refused"
            self.ledger.could_not_quit(
                self.user.name, self.who, [self.uid(n) for n in self.deleted])
            return
        if int(match.group(1) or 0) != len(self.deleted):
            raise Wrong("%d messages were deleted: %r" % (len(self.deleted),
                                                          line))
        self.outcome = "QUIT confirmed"
        self.ledger.has_quit(self.user.name, self.who,
                             [self.uid(n) for n in self.deleted])
        if self.wire.some(1):
            raise Wrong("something comes behind QUIT")

    # what clients do

    def quit(self, read=True):
        self.outcome = "QUIT unanswered"
        self.ledger.about_to_quit(self.user.name, self.who,
                                  [self.uid(n) for n in self.deleted])
        self.wire.send(b"QUIT\r\n")
        if read:
            self.take_quit(self.wire.first_line())

    def retrieve(self, numbers):
        for n in numbers:
            self.wire.send(b"RETR %d\r\n" % n)
            self.take_message(n)

    def delete(self, numbers):
        for n in numbers:
            if self.command("DELE %d" % n).startswith(b"+OK"):
                self.deleted.add(n)

    def download(self):
        numbers = self.some()
        self.retrieve(numbers)
        if self.rng.random() < 0.8:
            self.delete(numbers)
        self.quit()

    def fetch_and_delete(self):
        for n in self.some():
            self.retrieve([n])
            self.delete([n])
        self.quit()

    def only_poll(self):
        lines = self.rng.choice((0, 0, 3, 20))
        for n in self.some():
            self.wire.send(b"TOP %d %d\r\n" % (n, lines))
            self.take_top(n, lines)
        self.quit()

    def pipeline(self):
        numbers = self.some()
        doomed = numbers if self.rng.random() < 0.6 else []
        text = b"".join(b"RETR %d\r\n" % n for n in numbers)
        text += b"".join(b"DELE %d\r\n" % n for n in doomed) + b"QUIT\r\n"
        self.outcome = "QUIT unanswered"
        self.ledger.about_to_quit(self.user.name, self.who,
                                  [self.uid(n) for n in doomed])
        self.wire.send(text)
        for n in numbers:
            self.take_message(n)
        for n in doomed:
            if self.wire.first_line().startswith(b"+OK"):
                self.deleted.add(n)
        self.take_quit(self.wire.first_line())

    def change_ones_mind(self):
        self.delete(self.some())
        self.ok("RSET")
        self.deleted.clear()
        self.delete(self.some()[:2])
        self.quit()

    def vanish(self):
        """After all has been marked, without QUIT."""
        self.retrieve(self.some())
        self.delete(self.some())
        self._leave()

    def half_a_command(self):
        self.delete(self.some())
        self.wire.send(self.rng.choice(
            (b"QUIT", b"QUI", b"QUIT\r", b"DELE 1", b"RETR 1", b"QUIT \0")))
        self._leave()

    def leave_in_a_message(self):
        numbers = self.some()
        self.delete(numbers[:len(numbers) // 2])
        self.wire.send(b"".join(b"RETR %d\r\n" % n for n in numbers
                                if n not in self.deleted))
        if len(numbers) > len(self.deleted):
            self.wire.some(self.rng.choice((1, 5, 100, 3000)))
        self._leave()

    def do_not_wait(self):
        self.delete(self.some())
        self.quit(read=False)
        self._leave()

    def _leave(self):
        if self.rng.random() < 0.5:
            self.wire.reset()


MANNERS = ((Session.download, 20), (Session.fetch_and_delete, 20),
           (Session.only_poll, 14), (Session.pipeline, 20),
           (Session.change_ones_mind, 5), (Session.vanish, 6),
           (Session.half_a_command, 5), (Session.leave_in_a_message, 6),
           (Session.do_not_wait, 4))
