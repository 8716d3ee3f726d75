"""Plays the server's part of a scenario: the fake IMAP server, honest where
the scenario says nothing."""

import time

from fake_imap import CAPABILITIES, Closed, FakeImap
from scenario import line_of, octets

PIECE = 65536
# Long enough for the peer to read the one piece before the other comes.
GAP = 0.002
ENDLESS = 8 << 20


class Wire:
    """What a connection sends, in the pieces that a scenario wants."""

    def __init__(self, connection):
        self.connection = connection
        self.plain = connection.send
        self.size = None
        self.pause = 0
        self.ends_after = None
        self.first = None
        self.every = 0
        self.how = None
        self.sent = 0

    def settle(self, setting):
        """split N | apart N every N | cut N close|reset"""
        words = setting.split()
        if words[0] == "split":
            self.size = int(words[1])
        elif words[0] == "apart":
            self.first, self.every = int(words[1]), int(words[3])
        else:
            self.ends_after, self.how = int(words[1]), words[2]

    def send(self, data):
        if self.ends_after is not None and (
                self.sent + len(data) >= self.ends_after):
            self.plain(data[:self.ends_after - self.sent])
            self.sent = self.ends_after
            if self.how == "reset":
                time.sleep(GAP)
                self.connection.drop()
            raise Closed
        while self.every and self.until_break() < len(data):
            place = self.until_break()
            self.plain(data[:place])
            time.sleep(GAP)
            self.sent += place
            data = data[place:]
        self.sent += len(data)
        size = self.size or len(data) or 1
        for i in range(0, len(data), size):
            self.plain(data[i:i + size])
            if self.pause:
                time.sleep(self.pause)


    def until_break(self):
        """Octets until the next place where the dialogue is divided."""
        if self.sent < self.first:
            return self.first - self.sent
        return self.every - (self.sent - self.first) % self.every


class Collector:
    """Stands for a connection while an honest answer is made."""

    def __init__(self, connection):
        self.connection = connection
        self.data = b""

    def __getattr__(self, name):
        return getattr(self.connection, name)

    def send(self, data):
        self.data += data


class Player:
    """The handlers of a scenario, as FakeImap.on wants them: also for a
    connection that was kept those of the session that is played."""

    def __init__(self, variant):
        self.variant = variant
        self.session = variant.sessions[0]

    def get(self, step):
        def handler(connection, tag, args):
            if not hasattr(connection, "wire"):
                connection.wire = Wire(connection)
                connection.send = connection.wire.send
                if self.variant.has("wire"):
                    connection.wire.settle(self.variant.get("wire"))
            self.play(step, connection, tag, args)
        return handler

    def play(self, step, connection, tag, args):
        server = connection.server
        actions = self.session.on.get(step)
        if actions is None:
            server.handlers[step](connection, tag, args)
            return
        self.session.played.add(step)
        for verb, rest in actions:
            getattr(self, "do_" + verb)(
                connection, rest.replace("$T", tag.decode()),
                (step, tag, args))

    def do_send(self, connection, rest, _):
        connection.send(line_of(rest))

    def do_octets(self, connection, rest, _):
        count, _, text = rest.partition(" of ")
        self.flood(connection, octets(text), int(count))

    def do_forever(self, connection, rest, _):
        text, _, pause = rest.partition(" every ")
        if not pause:
            self.flood(connection, octets(text), ENDLESS)
            raise Closed
        while True:
            connection.send(octets(text))
            time.sleep(int(pause) / 1000)

    def flood(self, connection, unit, count):
        block = unit * (PIECE // len(unit) + 1)
        while count:
            part = block[:min(count, len(block) - len(block) % len(unit))]
            connection.send(part)
            count -= len(part)

    def do_honest(self, connection, rest, step):
        """honest [between TEXT | first N | but N]"""
        name, tag, args = step
        collector = Collector(connection)
        connection.server.handlers[name](collector, tag, args)
        data = collector.data
        how, _, rest = rest.partition(" ")
        if how == "between":
            noise = line_of(rest)
            data = noise + (noise.join(data.splitlines(True)))
        elif how == "first":
            data = data[:int(rest)]
        elif how == "but":
            data = data[:-int(rest)]
        connection.send(data)

    def do_body(self, connection, rest, step):
        """Each message that is asked for has this text."""
        text = octets(rest)
        self.bodies(connection, step[1], [
            (n, uid, text, name) for n, uid, _, name in
            connection.server.find_all(step[2])])

    def do_group(self, connection, rest, step):
        """backwards | twice | only N | exchanged: of several messages that
        are asked for at once; one alone comes as it should."""
        found = connection.server.find_all(step[2])
        how, _, count = rest.partition(" ")
        if how == "backwards":
            found.reverse()
        elif how == "twice":
            found *= 2 if len(found) > 1 else 1
        elif how == "only" and len(found) > 1:
            found = found[:int(count)] if int(count) < len(found) else (
                found[1:])
        elif how == "exchanged":
            uids = [f[1] for f in found]
            found = [(f[0], uid, *f[2:]) for f, uid in zip(
                found, uids[1:] + uids[:1])]
        self.bodies(connection, step[1], found)

    def bodies(self, connection, tag, found):
        connection.send(b"".join(
            b"* %d FETCH (UID %d %s {%d}\r\n%s)\r\n" % (
                n, uid, name, len(text), text)
            for n, uid, text, name in found) + tag + b" OK done\r\n")

    def do_stall(self, connection, *_):
        connection.wait_for_end()

    def do_wait(self, connection, *_):
        connection.take(1)

    def do_close(self, *_):
        raise Closed

    def do_reset(self, connection, *_):
        time.sleep(GAP)
        connection.drop()

    def do_drip(self, connection, rest, _):
        connection.wire.size, connection.wire.pause = 1, int(rest) / 1000

    def do_split(self, connection, rest, _):
        connection.wire.size = int(rest)

    def do_secure(self, connection, *_):
        connection.start_tls()


class HostileServer(FakeImap):
    """One of these stands in each lane, for one scenario after the other."""

    def prepare(self, variant):
        """What it does from now on, in the first session."""
        self.messages = variant.messages
        self.capabilities = (variant.get("capabilities") or
                             CAPABILITIES.decode()).encode()
        self.on = Player(variant)

    def begin(self):
        """Forgets the scenario before, but not who is still there."""
        for kept in (self.received, self.commands, self.logins,
                     self.failures):
            kept.clear()
        self.threads[:] = [t for t in self.threads if t.is_alive()]
        if not self.threads:
            self.sockets.clear()

    def leftovers(self, seconds):
        """How many connections the peer still has after that time."""
        deadline = time.monotonic() + seconds
        for thread in list(self.threads):
            thread.join(max(0, deadline - time.monotonic()))
        return sum(t.is_alive() for t in self.threads)
