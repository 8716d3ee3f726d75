"""The results as a table, and beside the targets."""

import collections

from scenarios import (BEFORE, BRIDGES, HAPROXY, IMAPC, NATIVE, NGINX, OURS,
                       RAW, RAW_EACH)

# What popbridge is measured against; met is None where nothing was measured.
Row = collections.namedtuple(
    "Row", "scenario target ours imapc native others met")


class Figures:
    def __init__(self, bench):
        self.b = bench

    def of(self, scenario, figure):
        """A function from a contender's name to its median."""
        return lambda name: self.b.median(scenario, name, figure)


def number(value):
    if value is None:
        return "-"
    if abs(value) >= 1000:
        return "{:,.0f}".format(value)
    return "%.3g" % value


def text(form, *values):
    """The form, with numbers in it; "-" when there is none."""
    if any(v is None for v in values):
        return "-"
    return form % tuple(number(v) for v in values)


def others(cell, *names):
    """The cells of those that were there."""
    return "; ".join("%s %s" % (name, cell(name)) for name in names
                     if cell(name).strip("-; "))


def all_of(*conditions):
    """Each is a function that may find a figure missing."""
    met = []
    for condition in conditions:
        try:
            met.append(condition())
        except TypeError:
            return None
    return all(met)


def octets_walk(f, scenario, what, target, met):
    rate, cpu = f.of(scenario, "rate"), f.of(scenario, "cpu_per_1000")

    def once(name):
        return text("%s/s; %s ms", rate(name), cpu(name))

    def cell(name):
        again = once(name + ", later")
        return once(name) + ("; again " + again if again != "-" else "")

    rest = others(lambda name: text("%s/s", rate(name)), NGINX, RAW, RAW_EACH)
    before = others(cell, BEFORE)
    return Row(what + ": messages/s; CPU ms per 1,000", target,
               cell(OURS), cell(IMAPC), cell(NATIVE),
               "; ".join(filter(None, (rest, before))), met(rate, cpu))


def downloads(f, p):
    n = "{:,} messages of 8 KB".format(p["messages"])
    yield octets_walk(
        f, "download", "cold download, " + n,
        "native's rate; 1/4 of imapc's CPU",
        lambda rate, cpu: all_of(lambda: rate(OURS) >= rate(NATIVE),
                                 lambda: cpu(OURS) <= cpu(IMAPC) / 4))
    yield octets_walk(
        f, "download-tls", "the same, TLS on both sides",
        "3 x imapc's rate; 1/3 of its CPU",
        lambda rate, cpu: all_of(lambda: rate(OURS) >= 3 * rate(IMAPC),
                                 lambda: cpu(OURS) <= cpu(IMAPC) / 3))
    yield octets_walk(
        f, "top", "TOP n 0 of {:,}".format(p["messages"]),
        "3 x imapc's rate",
        lambda rate, cpu: all_of(lambda: rate(OURS) >= 3 * rate(IMAPC)))
    yield octets_walk(
        f, "dele", "DELE of {:,} and QUIT".format(p["messages"]),
        "3 x imapc's rate",
        lambda rate, cpu: all_of(lambda: rate(OURS) >= 3 * rate(IMAPC)))


def link(f, p):
    seconds = f.of("download-far", "seconds")
    yield Row(
        "cold download over %d ms each way, %d messages: s; again" % (
            p["ms"], p["far_messages"]),
        "1.5 x raw IMAP",
        text("%s; %s", seconds(OURS), seconds(OURS + ", later")),
        text("%s; %s", seconds(IMAPC), seconds(IMAPC + ", later")), "-",
        others(lambda name: text("%s", seconds(name)), BEFORE, RAW),
        all_of(lambda: seconds(OURS) <= 1.5 * seconds(RAW)))

    poll = f.of("poll-far", "seconds")

    def trips(name):
        # Half a round trip's worth of computing is none.
        return None if poll(name) is None else round(
            poll(name) * 1000 / (2 * p["ms"]))

    yield Row(
        "poll over that link: round trips, first; later",
        "6; 1",
        text("%s; %s", trips(OURS), trips(OURS + ", later")),
        text("%s; %s", trips(IMAPC), trips(IMAPC + ", later")), "-",
        others(lambda name: text("%s", trips(name)), BEFORE, RAW),
        all_of(lambda: trips(OURS) <= 6,
               lambda: trips(OURS + ", later") <= 1))


def polls(f, p):
    rate, cpu = f.of("poll", "rate"), f.of("poll", "cpu_per_1000")

    def cell(name):
        return text("%s/s; %s ms", rate(name), cpu(name))

    yield Row(
        "polls of {} messages, unchanged, {} at once: sessions/s; CPU ms "
        "per 1,000".format(p["storm_messages"], p["concurrent"]),
        "more than nginx; 1/4 of imapc's CPU",
        cell(OURS), cell(IMAPC), cell(NATIVE), others(cell, BEFORE, NGINX),
        all_of(lambda: rate(OURS) > rate(NGINX),
               lambda: cpu(OURS) <= cpu(IMAPC) / 4))

    big, big_cpu = f.of("poll-huge", "rate"), f.of("poll-huge",
                                                   "cpu_per_1000")
    octets = f.b.median(
        "counts", OURS + ": poll of the huge mailbox, later",
        "upstream_octets")
    huge = "{:,} messages".format(p["huge_messages"])

    def big_cell(name):
        return text("%s/s; %s ms", big(name), None if big_cpu(name) is None
                    else big_cpu(name) / 1000)

    yield Row(
        "poll of %s, unchanged: polls/s; CPU ms each" % huge,
        "15 x imapc's rate; 2 KB upstream",
        big_cell(OURS) + text("; %s octets upstream", octets),
        big_cell(IMAPC), big_cell(NATIVE),
        others(big_cell, BEFORE, NGINX),
        all_of(lambda: big(OURS) >= 15 * big(IMAPC), lambda: octets < 2000))

    first = f.of("poll-huge", "seconds")

    def first_cell(name):
        return text("%s s", first(name + ", first"))

    yield Row(
        "the same, first time ever", "10 x faster than imapc; 2 x native",
        first_cell(OURS), first_cell(IMAPC), first_cell(NATIVE),
        "; ".join(filter(None, (others(first_cell, BEFORE), text(
            "raw IMAP %s s", first(RAW))))),
        all_of(lambda: first(OURS + ", first") <= first(
                   IMAPC + ", first") / 10,
               lambda: first(OURS + ", first") <= 2 * first(
                   NATIVE + ", first")))


def large(f, p):
    rate, cpu = f.of("large", "rate"), f.of("large", "cpu_per_gb")
    peak = f.of("large", "peak_mb")

    def cell(name):
        return text("%s MB/s; %s s; %s MB", rate(name), cpu(name),
                    peak(name))

    size = "%d of %.3g MB" % (p["large_messages"], p["large_octets"] / 1e6)
    for suffix, what in (("", size), (", four", size + ", four at once")):
        yield Row(
            what + ": MB/s; CPU s per GB; memory",
            "2 x imapc's rate; 1/4 of its CPU; 20 MB",
            cell(OURS + suffix), cell(IMAPC + suffix), cell(NATIVE + suffix),
            others(lambda name: cell(name + suffix), BEFORE, NGINX),
            all_of(lambda: rate(OURS + suffix) >= 2 * rate(IMAPC + suffix),
                   lambda: cpu(OURS + suffix) <= cpu(IMAPC + suffix) / 4,
                   lambda: peak(OURS + suffix) < 20))
    tls, tls_cpu = f.of("large-tls", "rate"), f.of("large-tls", "cpu_per_gb")

    def tls_cell(name):
        return text("%s MB/s; %s s", tls(name), tls_cpu(name))

    yield Row(
        "the same, TLS to TLS: MB/s; CPU s per GB", "1.3 x HAProxy's CPU",
        tls_cell(OURS), tls_cell(IMAPC), tls_cell(NATIVE),
        others(tls_cell, BEFORE, HAPROXY),
        all_of(lambda: tls_cpu(OURS) <= 1.3 * tls_cpu(HAPROXY)))


def idle(f, p):
    for scenario, what, target in (
            ("idle", "idle sessions: KB each", 12),
            ("idle-tls", "the same, TLS on both sides", 80)):
        kb = f.of(scenario, "kb_each")
        count = f.b.median(scenario, OURS, "sessions")
        yield Row(
            what, "%d KB, 10,000 in a process" % target,
            text("%s (%s sessions)", kb(OURS), count), text("%s", kb(IMAPC)),
            text("%s", kb(NATIVE)),
            others(lambda name: text("%s", kb(name)), NGINX),
            all_of(lambda: kb(OURS) < target))


def rows(bench):
    """The table of targets; what was not measured is "-"."""
    f = Figures(bench)
    found = []
    for part in (downloads, link, polls, large, idle):
        found += part(f, bench.p)
    return found


def targets_table(bench):
    lines = ["| scenario | target | popbridge | imapc | native POP3 | others "
             "| met |", "|---|---|---|---|---|---|---|"]
    for row in rows(bench):
        cells = list(row[:-1]) + [{True: "yes", False: "**no**",
                                   None: "-"}[row.met]]
        if any(c.isdigit() for c in "".join(row[2:6])):
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def counts_table(bench):
    """Upstream commands, round trips and octets, which no noise disturbs."""
    results = bench.results.get("counts")
    if not results:
        return ""
    lines = ["| what | who | connections | commands | round trips | octets |",
             "|---|---|---:|---:|---:|---:|"]
    for step in dict.fromkeys(k.split(": ")[1] for k in results):
        for who in BRIDGES:
            r = results.get("%s: %s" % (who, step))
            if r:
                r = r[0]
                # To connect and to be greeted are two more.
                lines.append("| %s | %s | %s | %s | %s | %s |" % (
                    step, who, *map(number, (
                        r["upstream_connections"], r["upstream_commands"],
                        r["upstream_turns"] + 2 * r["upstream_connections"],
                        r["upstream_octets"]))))
    return "\n".join(lines)


def growth_table(bench):
    results = bench.results.get("growth")
    if not results:
        return ""
    lines = ["| what grows | rate | CPU ms per 1,000 |", "|---|---:|---:|"]
    for name in results:
        lines.append("| %s | %s/s | %s |" % (
            name, *(number(bench.median("growth", name, figure))
                    for figure in ("rate", "cpu_per_1000"))))
    for scenario in ("idle", "idle-tls"):
        for name in (OURS + ", a tenth", OURS):
            kb = bench.median(scenario, name, "kb_each")
            if kb is not None:
                lines.append("| %s, %s | %s sessions | %s KB each |" % (
                    scenario, number(bench.median(scenario, name,
                                                  "sessions")),
                    number(bench.median(scenario, name, "rate")) + "/s",
                    number(kb)))
    return "\n".join(lines)


def tables(bench):
    parts = [targets_table(bench)]
    for title, table in (("What goes upstream", counts_table(bench)),
                         ("Growth of popbridge's cost", growth_table(bench))):
        if table:
            parts.append("**%s**\n\n%s" % (title, table))
    return "\n\n".join(parts) + "\n"
