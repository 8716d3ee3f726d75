"""A relay that does to a connection what networks do: it cuts, stalls, splits
and delays, at an octet that a plan says."""

import asyncio
import collections
import socket
import struct
import threading

TO_SERVER, TO_CLIENT = 0, 1

CALM, CUT, RESET, STALL, SPLIT, DELAY, KILL = (
    "calm", "cut", "reset", "stall", "split", "delay", "kill")

# kind: what happens.  direction, at: behind so many octets of this direction,
# counted from where `word` has passed to the server, if there is a word.
# seconds: how long a stall is, or each delay.
Plan = collections.namedtuple("Plan", "kind direction at word seconds")
UNTOUCHED = Plan(CALM, TO_SERVER, 0, b"", 0)

# Octets that are split; a large message would take minutes.
SPLIT_MAX = 3000
BLOCK = 65536


class Connection:
    def __init__(self, relay, plan, near, far):
        self.relay = relay
        self.plan = plan
        self.sides = (near, far)    # (reader, writer) each
        self.left = None if plan.word else plan.at
        self.split = 0
        self.struck = self.over = False

    async def run(self):
        pumps = [asyncio.ensure_future(self._pump(direction))
                 for direction in (TO_SERVER, TO_CLIENT)]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for _, writer in self.sides:
                writer.close()

    async def _pump(self, direction):
        reader = self.sides[direction][0]
        writer = self.sides[1 - direction][1]
        while True:
            data = await reader.read(BLOCK)
            if not data:
                break
            n = self._point(direction, data)
            if n is not None:
                await self._send(writer, data[:n])
                await self._strike()
                data = data[n:]
            await self._send(writer, data)
        if writer.can_write_eof():
            writer.write_eof()

    def _point(self, direction, data):
        """Before which of these octets it happens; None: not yet."""
        if self.struck or self.plan.kind == CALM:
            return None
        start = 0
        if self.left is None:
            if direction != TO_SERVER or self.plan.word not in data:
                return None
            self.left = self.plan.at
            start = data.index(self.plan.word) + len(self.plan.word)
        if direction != self.plan.direction:
            return None
        if self.left > len(data) - start:
            self.left -= len(data) - start
            return None
        self.struck = True
        return start + self.left

    async def _send(self, writer, data):
        kind = self.plan.kind if self.struck else CALM
        if kind == DELAY and data:
            await asyncio.sleep(self.plan.seconds)
        if kind == SPLIT:
            while data and self.split < SPLIT_MAX:
                n = 1 + self.split * 7 % 5
                writer.write(data[:n])
                await writer.drain()
                data = data[n:]
                self.split += n
                await asyncio.sleep(0)
        writer.write(data)
        await writer.drain()

    async def _strike(self):
        kind = self.plan.kind
        self.relay.hits[kind] += 1
        if kind == STALL:
            await asyncio.sleep(self.plan.seconds)
        elif kind == KILL:
            self.relay.kill()
        elif kind in (CUT, RESET):
            for _, writer in self.sides:
                if kind == RESET:
                    writer.get_extra_info("socket").setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER,
                        struct.pack("ii", 1, 0))
                    writer.transport.abort()
                else:
                    writer.close()
            raise ConnectionAbortedError("cut by the plan")


class Relay:
    """Passes connections on to where() says, each by its own plan.

    plan_for(port) is told the port that the connection comes from.  kill() is
    what a plan of that kind calls; both are called in the relay's thread.
    """

    def __init__(self, where, plan_for, kill=None):
        self.where = where
        self.plan_for = plan_for
        self.kill = kill
        self.hits = collections.Counter()
        self.made = 0
        self.tasks = set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            asyncio.start_server(self._serve, sock=self.listener))
        self.loop.run_forever()
        server.close()
        for task in self.tasks:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(
            *self.tasks, return_exceptions=True))
        self.loop.close()

    async def _serve(self, reader, writer):
        self.tasks.add(asyncio.current_task())
        try:
            await self._connect(reader, writer)
        except OSError:
            writer.transport.abort()
        finally:
            self.tasks.discard(asyncio.current_task())

    async def _connect(self, reader, writer):
        self.made += 1
        plan = self.plan_for(writer.get_extra_info("peername")[1])
        far = await asyncio.open_connection(*self.where())
        for _, w in ((reader, writer), far):
            w.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await Connection(self, plan, (reader, writer), far).run()

    def close(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
