"""Writes docs/performance.md between its marks, and docs/performance.svg."""

import datetime
import html
import os
import platform
import subprocess

import report
from scenarios import HAPROXY, IMAPC, NATIVE, NGINX, OURS, RAW

BEGIN = "<!-- scripts/bench --publish writes what follows -->"
END = "<!-- to here -->"

PACKAGES = ("dovecot-core", "nginx", "haproxy", "libuv1", "libssl3",
            "libetpan20")


def _lines(path, word):
    with open(path) as f:
        return [line.split(":", 1)[1].strip() for line in f
                if line.startswith(word)]


def machine(binary):
    """What the figures depend on, as (name, value)."""
    processors = _lines("/proc/cpuinfo", "model name")
    memory = int(_lines("/proc/meminfo", "MemTotal")[0].split()[0])
    found = [
        ("popbridge", subprocess.run([binary, "--version"],
                                     capture_output=True,
                                     text=True).stdout.strip()),
        ("date", datetime.date.today().isoformat()),
        ("processors", "%d x %s" % (len(processors), processors[0])),
        ("memory", "%.0f GB" % (memory / 2 ** 20)),
        ("kernel", platform.release()),
    ]
    versions = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version}\n", *PACKAGES],
        capture_output=True, text=True).stdout
    found += [tuple(line.split(" ", 1)) for line in versions.splitlines()]
    return found


# Panels of the plot: title, scenario, figure, contenders.
PANELS = (
    ("cold download, messages/s", "download", "rate",
     (OURS, IMAPC, NATIVE, NGINX, RAW)),
    ("its CPU, ms per 1,000 messages", "download", "cpu_per_1000",
     (OURS, IMAPC, NATIVE, NGINX)),
    ("download with TLS, messages/s", "download-tls", "rate",
     (OURS, IMAPC, NATIVE, NGINX, RAW)),
    ("download over a long link, s", "download-far", "seconds",
     (OURS, IMAPC, RAW)),
    ("polls, sessions/s", "poll", "rate", (OURS, IMAPC, NATIVE, NGINX)),
    ("their CPU, ms per 1,000 sessions", "poll", "cpu_per_1000",
     (OURS, IMAPC, NATIVE, NGINX)),
    ("polls of a huge mailbox, 1/s", "poll-huge", "rate",
     (OURS, IMAPC, NATIVE, NGINX)),
    ("large messages, MB/s", "large", "rate",
     (OURS, IMAPC, NATIVE, NGINX, RAW)),
    ("large messages TLS to TLS, CPU s per GB", "large-tls", "cpu_per_gb",
     (OURS, IMAPC, NATIVE, HAPROXY)),
    ("memory with four large messages, MB", "large", "peak_mb",
     tuple(name + ", four" for name in (OURS, IMAPC, NATIVE, NGINX))),
    ("an idle session, KB", "idle", "kb_each",
     (OURS, IMAPC, NATIVE, NGINX)),
    ("an idle session with TLS, KB", "idle-tls", "kb_each",
     (OURS, IMAPC, NATIVE, NGINX)),
    ("growth: download, CPU ms per 1,000 messages", "growth", "cpu_per_1000",
     ("download, messages x 1", "download, messages x 10")),
    ("growth: polls, CPU ms per 1,000 sessions", "growth", "cpu_per_1000",
     ("polls, sessions x 1", "polls, sessions x 10", "polls, sessions x 50")),
)

STYLE = """
text { font: 12px sans-serif; fill: #24292f; }
.title { font-weight: bold; }
.bar { fill: #8c959f; }
.ours { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; }
  .bar { fill: #6e7681; }
  .ours { fill: #58a6ff; }
}
"""

WIDTH, COLUMNS, LABEL, BAR = 900, 2, 100, 240
LINE, PANEL_GAP = 18, 26


def label(scenario, name):
    return name.split(", ")[-1 if scenario == "growth" else 0]


def panel(bench, x, y, title, scenario, figure, names):
    """One bar chart, and how high it is."""
    values = [(name, bench.median(scenario, name, figure))
              for name in names]
    values = [(name, value) for name, value in values if value is not None]
    if not values:
        return "", 0
    most = max(value for _, value in values) or 1
    parts = ['<text class="title" x="%d" y="%d">%s</text>' % (
        x, y + 12, html.escape(title))]
    for i, (name, value) in enumerate(values):
        top = y + LINE * (i + 1) + 4
        width = max(BAR * value / most, 1)
        parts.append(
            '<text x="%d" y="%d" text-anchor="end">%s</text>'
            '<rect class="bar%s" x="%d" y="%d" width="%.1f" height="%d"/>'
            '<text x="%.1f" y="%d">%s</text>' % (
                x + LABEL - 6, top + 12, html.escape(label(scenario, name)),
                " ours" if scenario == "growth" or name.startswith(OURS)
                else "", x + LABEL, top + 2,
                width, LINE - 5, x + LABEL + width + 5, top + 12,
                report.number(value)))
    return "\n".join(parts), LINE * (len(values) + 1)


def plot(bench):
    parts, y = [], 10
    for row in range(0, len(PANELS), COLUMNS):
        high = 0
        for column, spec in enumerate(PANELS[row:row + COLUMNS]):
            text, height = panel(
                bench, 10 + column * WIDTH // COLUMNS, y, *spec)
            parts.append(text)
            high = max(high, height)
        y += high + PANEL_GAP if high else 0
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" '
            'viewBox="0 0 %d %d" role="img">\n<title>popbridge and its peers'
            '</title>\n<style>%s</style>\n%s\n</svg>\n' % (
                WIDTH, y, WIDTH, y, STYLE, "\n".join(parts)))


def generated(bench):
    facts = "".join("| %s | %s |\n" % tuple(fact) for fact in bench.machine)
    return ("\n![The same figures as bars](performance.svg)\n\n%s\n"
            "Medians of %d rounds.\n\n| | |\n|---|---|\n%s" % (
                report.tables(bench), bench.p["rounds"], facts))


def publish(bench, docs):
    path = os.path.join(docs, "performance.md")
    with open(path) as f:
        text = f.read()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    with open(path, "w") as f:
        f.write(before + BEGIN + "\n" + generated(bench) + "\n" + END
                + after)
    with open(os.path.join(docs, "performance.svg"), "w") as f:
        f.write(plot(bench))
