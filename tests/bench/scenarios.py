"""The scenarios: each measures its contenders in turn."""

import functools

from bench import raise_descriptor_limit
import peers
import processes
import upstream

OURS, IMAPC, NATIVE = "popbridge", "imapc", "native POP3"
# Another build of popbridge, when there is one to compare with.
BEFORE = "before"
BRIDGES = (OURS, BEFORE, IMAPC)
NGINX, HAPROXY = "nginx", "HAProxy"
RAW, RAW_EACH = "raw IMAP", "raw IMAP, one each"


def per_message(figures):
    figures["rate"] = figures["messages"] / figures["seconds"]
    figures["cpu_per_1000"] = figures["cpu"] * 1e6 / figures["messages"]
    return figures


def per_session(figures):
    figures["rate"] = figures["sessions"] / figures["seconds"]
    figures["cpu_per_1000"] = figures["cpu"] * 1e6 / figures["sessions"]
    return figures


def per_octet(figures):
    figures["rate"] = figures["octets"] / 1e6 / figures["seconds"]
    figures["cpu_per_gb"] = figures["cpu"] * 1e9 / figures["octets"]
    return figures


def bridges(b, **keywords):
    """POP3 servers that have an IMAP server behind them."""
    servers = {OURS: b.start(peers.Popbridge, b.binary, b.upstream,
                             **keywords)}
    if b.before:
        servers[BEFORE] = b.start(peers.Popbridge, b.before, b.upstream,
                                  **keywords)
    servers[IMAPC] = b.start(peers.Imapc, b.upstream, **keywords)
    return servers


def all_servers(b, tls=False):
    return dict(bridges(b, tls=tls), **{
        NATIVE: peers.native(b.upstream),
        NGINX: b.start(peers.NginxMail, b.upstream)})


def walk(b, scenario, what, user, messages, tls=False, raw=True):
    """Every message, one after the other, of a mailbox that the bridges have
    not seen before, and then again."""
    servers = all_servers(b, tls=tls)
    names = {}

    def first(server):
        def run(number):
            names[server] = b.stranger(user)
            return per_message(b.load(
                what, servers[server], names[server], messages,
                "--numbered", tls=tls))
        return run

    def later(server):
        return lambda number: per_message(b.load(
            what, servers[server], names[server], messages, "--numbered",
            tls=tls))

    contenders = {}
    for server in servers:
        contenders[server] = first(server)
        if server in BRIDGES:
            contenders[server + ", later"] = later(server)
    if raw:
        for name, kind in ((RAW, "imap-bulk"), (RAW_EACH, "imap-each")):
            contenders[name] = lambda number, kind=kind: per_message(b.load(
                kind, b.raw(), user.name, messages, tls=tls))
    b.rounds(scenario, contenders)


def download(b):
    """Full download of 8 KB messages; the client waits for each answer."""
    n = b.p["messages"]
    walk(b, "download", "download", b.mailbox("m8k", n, 8192), n)


def download_tls(b):
    """The same with TLS on both sides."""
    n = b.p["messages"]
    walk(b, "download-tls", "download", b.mailbox("m8k", n, 8192), n,
         tls=True)


def top(b):
    """TOP n 0 of all messages: what shows senders and subjects."""
    n = b.p["messages"]
    walk(b, "top", "top", b.mailbox("m8k", n, 8192), n, raw=False)


def far(b):
    """A relay to the upstream, and the bridges behind it."""
    where = (b.upstream.address, b.upstream.imap_port)
    relay = b.start(peers.Relay, where, b.p["ms"])
    return bridges(b, where=relay.ports["plain"]), relay


def counted(b, server, relay, what, user, messages, *options):
    """What a load costs, and what goes upstream for it."""
    relay.counts()
    figures = b.load(what, server, user, messages, *options)
    figures.update(("upstream_" + k, v) for k, v in relay.counts().items()
                   if k != "open")
    figures["upstream_octets"] = (figures["upstream_up"]
                                  + figures["upstream_down"])
    return figures


def first_and_later(b, scenario, what, user, messages, slow_rounds):
    """Over the link.  What takes imapc a minute and is the same to a percent
    is not done in every round."""
    servers, relay = far(b)
    names = {}

    def due(server, number):
        return server != IMAPC or number < slow_rounds

    def first(server, number):
        if not due(server, number):
            return None
        names[server] = b.stranger(user)
        return counted(b, servers[server], relay, what, names[server],
                       messages)

    def later(server, number):
        if not due(server, number):
            return None
        return counted(b, servers[server], relay, what, names[server],
                       messages)

    contenders = {}
    for server in servers:
        contenders[server] = functools.partial(first, server)
        contenders[server + ", later"] = functools.partial(later, server)
    contenders[RAW] = lambda number: b.load(
        "imap-bulk" if what == "download" else "imap-sizes", relay,
        user.name, messages)
    b.rounds(scenario, contenders)


def download_far(b):
    """Download over a link of 25 ms each way to the upstream."""
    n = b.p["far_messages"]
    first_and_later(b, "download-far", "download",
                    b.mailbox("far", n, 8192), n, 1)


def poll_far(b):
    """A poll over that link: in round trips."""
    n = b.p["storm_messages"]
    first_and_later(b, "poll-far", "poll", b.mailbox("farpoll", n, 2000), n,
                    min(2, b.p["rounds"]))


def storm_users(b):
    for i in range(1, b.p["storm_users"] + 1):
        b.mailbox("storm%d" % i, b.p["storm_messages"], 2000)


def poll(b):
    """Many polls of unchanged mailboxes, several at a time."""
    storm_users(b)
    servers = all_servers(b)

    def run(server, polls, concurrent):
        return per_session(b.load(
            "poll", server, "storm", b.p["storm_messages"], "--users",
            b.p["storm_users"], "--sessions", polls, "--connections",
            concurrent))

    for server in servers.values():
        run(server, 2 * b.p["storm_users"], 2)
    b.rounds("poll", {
        name: lambda number, server=server: run(
            server, b.p["polls"], b.p["concurrent"])
        for name, server in servers.items()})


def huge(b):
    return b.mailbox("huge", b.p["huge_messages"], 300)


def poll_huge(b):
    """Polls of one mailbox of 100,000 messages: the first one ever, and
    later ones, when nothing has changed."""
    n, user = b.p["huge_messages"], huge(b)
    servers = all_servers(b)
    names = {}

    def first(server):
        def run(number):
            names[server] = b.stranger(user)
            return per_session(b.load("poll", servers[server],
                                      names[server], n))
        return run

    def later(server):
        return lambda number: per_session(b.load(
            "poll", servers[server], names[server], n,
            "--sessions", b.p["huge_polls"]))

    contenders = {}
    for server in servers:
        contenders[server + ", first"] = first(server)
        contenders[server] = later(server)
    contenders[RAW] = lambda number: b.load("imap-sizes", b.raw(), user.name,
                                            n)
    b.rounds("poll-huge", contenders)


def large(b):
    """Messages of 25 MB, one client and four at once.  Memory is the peak of
    all of the peer's processes together."""
    n = b.p["large_messages"]
    user = b.mailbox("large", n, b.p["large_octets"])
    b.upstream.aliases(user, "large-", 4)
    servers = all_servers(b)

    def run(server, users):
        with processes.Peak(server.session) as peak:
            figures = b.load("download", server, "large-", n, "--users",
                             users, "--connections", users)
        figures["peak_mb"] = peak.octets / 1e6
        return per_octet(figures)

    # The first download lists the mailbox, which is another scenario.
    for server in servers.values():
        b.load("poll", server, "large-", n, "--users", 4, "--sessions", 4)
    contenders = {}
    for name, server in servers.items():
        contenders[name] = lambda _, server=server: run(server, 1)
        contenders[name + ", four"] = lambda _, server=server: run(server, 4)
    contenders[RAW] = lambda number: per_octet(b.load(
        "imap-bulk", b.raw(), user.name, n))
    b.rounds("large", contenders)


def large_tls(b):
    """The same from one TLS connection to another, beside HAProxy, which
    does nothing else (between a POP3 client and a POP3 server)."""
    n = b.p["large_messages"]
    user = b.mailbox("large", n, b.p["large_octets"])
    servers = dict(bridges(b, tls=True), **{
        NATIVE: peers.native(b.upstream),
        HAPROXY: b.start(peers.HaproxyTls, b.upstream)})
    for server in servers.values():
        b.load("poll", server, user.name, n, tls=True)
    b.rounds("large-tls", {
        name: lambda _, server=server: per_octet(b.load(
            "download", server, user.name, n, tls=True))
        for name, server in servers.items()})


def idle_with(b, scenario, tls):
    """Its own upstream, whose sessions share processes."""
    limit = raise_descriptor_limit()
    shared = b.upstream
    b.upstream = upstream.Upstream(clients=400)
    try:
        user = b.upstream.mailbox("idle", 3, 2000)
        b.upstream.aliases(user, "idle", 1000)
        # Each session has two descriptors here, the process some more.
        most = min(b.p["sessions"], (limit - 300) // 2)
        few = b.p["process_sessions"]

        def run(kind, sessions):
            if kind is None:
                server = peers.native(b.upstream)
            elif kind is peers.Popbridge:
                server = b.start(kind, b.binary, b.upstream, tls=tls)
            elif kind is peers.Imapc:
                server = b.start(kind, b.upstream, tls=tls)
            else:
                server = b.start(kind, b.upstream)
            b.load("poll", server, "idle1", 3, "--sessions", 4, tls=tls)
            before = server.session.pss()
            holder, figures = b.hold(server, "idle", 3, "--users", 1000,
                                     "--sessions", sessions,
                                     "--connections", 4, tls=tls)
            after = server.session.pss()
            holder.communicate()
            if kind is not None:
                b.stop_peers()
            figures["kb_each"] = (after - before) / 1024 / sessions
            return per_rate(figures)

        def per_rate(figures):
            figures["rate"] = figures["sessions"] / figures["seconds"]
            return figures

        b.rounds(scenario, {
            OURS: lambda _: run(peers.Popbridge, most),
            OURS + ", a tenth": lambda _: run(peers.Popbridge, most // 10),
            IMAPC: lambda _: run(peers.Imapc, few),
            NATIVE: lambda _: run(None, few),
            NGINX: lambda _: run(peers.NginxMail, few),
        }, 1)
    finally:
        b.stop_peers()
        b.upstream.stop()
        b.upstream = shared


def idle(b):
    """Logged-in sessions that have retrieved one message, then do nothing."""
    idle_with(b, "idle", False)


def idle_tls(b):
    """The same with TLS on both sides."""
    idle_with(b, "idle-tls", True)


def dele(b):
    """DELE of all messages, and QUIT; each time a new mailbox."""
    n = b.p["messages"]
    servers = all_servers(b)

    def run(name, number):
        user = b.mailbox("dele-%s-%d" % (name[:4], number), n, 300)
        # What the first listing costs is another scenario.
        b.load("poll", servers[name], user.name, n)
        return per_message(b.load("dele", servers[name], user.name, n))

    b.rounds("dele", {
        name: lambda number, name=name: run(name, number)
        for name in servers})


def counts(b):
    """What goes upstream: counted by a relay, so that no noise disturbs."""
    where = (b.upstream.address, b.upstream.imap_port)
    n, small = b.p["messages"], b.p["storm_messages"]
    m8k = b.mailbox("m8k", n, 8192)
    b.mailbox("storm1", small, 2000)
    many = huge(b)

    relay = b.start(peers.Relay, where, 0)

    def steps(name, server):
        gone = b.mailbox("gone-" + name[:4], n, 300).name
        for step, what, user, messages in (
                ("poll, first", "poll", "storm1", small),
                ("poll, later", "poll", "storm1", small),
                ("download, first", "download", m8k.name, n),
                ("download, later", "download", m8k.name, n),
                ("poll of the huge mailbox, first", "poll", many.name,
                 b.p["huge_messages"]),
                ("poll of the huge mailbox, later", "poll", many.name,
                 b.p["huge_messages"]),
                ("TOP of all", "top", m8k.name, n),
                ("DELE of all", "dele", gone, n)):
            b.rounds("counts", {
                "%s: %s" % (name, step): lambda _: counted(
                    b, server, relay, what, user, messages)}, 1)

    for name, server in bridges(b, where=relay.ports["plain"]).items():
        steps(name, server)


def growth(b):
    """Ten times the messages, ten times the sessions at once: is the cost of
    each the same?"""
    server = b.start(peers.Popbridge, b.binary, b.upstream)
    storm_users(b)
    rounds = min(3, b.p["rounds"])
    for factor in (1, 10):
        n = b.p["messages"] * factor // 2
        user = b.mailbox("grow%d" % factor, n, 2000)
        for what in ("download", "top"):
            b.rounds("growth", {
                "%s, messages x %d" % (what, factor):
                lambda _: per_message(b.load(
                    what, server, b.stranger(user), n, "--numbered"))},
                rounds)
    for factor in (1, 10, 50):
        b.rounds("growth", {
            "polls, sessions x %d" % factor: lambda _: per_session(
                b.load("poll", server, "storm", b.p["storm_messages"],
                       "--users", b.p["storm_users"], "--sessions",
                       b.p["polls"], "--connections", 4 * factor))}, rounds)


COMPARED = {
    "download": download,
    "download-tls": download_tls,
    "download-far": download_far,
    "poll-far": poll_far,
    "poll": poll,
    "poll-huge": poll_huge,
    "large": large,
    "large-tls": large_tls,
    "idle": idle,
    "idle-tls": idle_tls,
    "top": top,
    "dele": dele,
    "counts": counts,
    "growth": growth,
}
