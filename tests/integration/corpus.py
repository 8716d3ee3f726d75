"""Messages that break mail programs, each with a name."""

HEAD = b"From: a@example.org\r\nSubject: test\r\n"
TOP = HEAD + b"\r\n"
BLOCKS = (1024, 4096, 16384, 65536)


def at_offset(offset, piece):
    """A message whose piece starts at this offset, at the start of a line."""
    text = TOP
    while offset - len(text) > 200:
        text += b"y" * 98 + b"\r\n"
    text += b"z" * (offset - len(text) - 2) + b"\r\n"
    assert len(text) == offset
    return text + piece


def boundaries():
    pieces = ((b".\r\n", "dot"), (b"..\r\n", "two-dots"),
              (b".foo\r\n", "dot-foo"), (b"\r\n", "empty-line"),
              (b"\r\r\n", "cr-cr-lf"), (b".\n.\n", "dots-bare-lf"))
    for block in BLOCKS:
        for piece, name in pieces:
            for shift in range(-3, 3):
                yield ("%s-at-%d%+d" % (name, block, shift),
                       at_offset(block + shift, piece + b"end\r\n"))
        yield "ends-at-%d" % block, at_offset(block, b"")
        yield "no-newline-at-%d" % block, at_offset(block, b"")[:-2] + b"xx"


def awkward():
    yield "plain", TOP + b"Hello\r\n"
    yield "bare-lf", (TOP + b"one\r\ntwo\r\n").replace(b"\r\n", b"\n")
    yield "mixed-ends", HEAD + b"\nbare lf\nboth\r\nbare lf\n"
    yield "bare-cr", TOP + b"one\rtwo\r\nthree\r\r\n"
    yield "bare-cr-in-header", b"From: a\rb@example.org\r\n\r\nx\r\n"
    yield "cr-cr-lf", HEAD + b"\r\r\n\r\r\nbody\r\r\n\r\r\n"
    yield "lf-cr", HEAD + b"\r\n\n\rone\n\rtwo\n\r"
    yield "nul", TOP + b"a\0b\r\n\0\r\n\0\0\0\r\n"
    yield "nul-in-header", b"Sub\0ject: x\0y\r\n\r\nbody\r\n"
    yield "eight-bit", TOP + bytes(range(128, 256)) + b"\r\n"
    yield "all-octets", TOP + bytes(range(256)) + b"\r\n"
    yield "utf-8", TOP + "Grüße ☃ 𝄞\r\n".encode()
    yield "no-final-newline", TOP + b"the end"
    yield "final-cr", TOP + b"the end\r"
    yield "final-lf-only", TOP + b"the end\n"
    yield "final-dot", TOP + b"."
    yield "final-dot-cr", TOP + b".\r"
    yield "final-crlf-dot", TOP + b"x\r\n."
    yield "empty", b""
    yield "one-lf", b"\n"
    yield "one-crlf", b"\r\n"
    yield "one-cr", b"\r"
    yield "one-dot", b"."
    yield "one-dot-line", b".\r\n"
    yield "one-nul", b"\0"
    yield "one-letter", b"x"
    yield "header-only", HEAD
    yield "header-only-no-newline", HEAD[:-2]
    yield "header-and-blank-line", TOP
    yield "header-and-cr", HEAD + b"\r"
    yield "body-only", b"\r\nno header at all\r\n"
    yield "no-header-no-blank", b"this is not a header\r\nnor is this\r\n"
    yield "mbox-from-line", b"From a@example.org Mon Jan 1\r\n" + TOP + b"x\r\n"
    yield "folded-header", (b"Subject: a\r\n b\r\n\tc\r\n \r\nTo: x\r\n\r\nb\r\n")
    yield "blank-with-space", HEAD + b" \r\nstill header?\r\n\r\nbody\r\n"
    yield "dots", TOP + b".\r\n..\r\n...\r\n.foo\r\n..foo\r\n. \r\n.\t\r\n.\r\n"
    yield "dots-bare-lf", TOP + b".\n..\n...\n.foo\n.\n"
    yield "dot-first", b".\r\n" + TOP + b"x\r\n"
    yield "dot-header", b".Subject: x\r\n\r\n.\r\n"
    yield "dot-after-cr", TOP + b"x\r.\r\n\r.\r\n\r\r.\r\n"
    yield "dot-after-nul", TOP + b"\0.\r\n.\0\r\n"
    yield "blank-lines-only", b"\r\n" * 50
    yield "blank-lines-bare-lf", b"\n" * 50
    yield "body-of-blank-lines", TOP + b"\r\n" * 50
    yield "long-line", TOP + b"l" * 1000000 + b"\r\nafter\r\n"
    yield "long-line-no-end", TOP + b"." + b"l" * 1000000
    yield "long-header-line", b"X-Long: " + b"h" * 100000 + b"\r\n\r\nx\r\n"
    yield "large", TOP + (b"." * 77 + b"\r\n") * 38000
    yield "large-bare-lf", TOP + (b"0123456789" * 7 + b"\n") * 10000
    yield "short-lines", TOP + b"a\r\n" * 20000
    yield "short-lines-bare-lf", TOP + b"a\n" * 20000
    yield "dot-lines", TOP + b".\r\n" * 20000
    yield "crs", TOP + b"\r" * 70000 + b"\n"
    yield "imap-look", TOP + b"* OK x\r\n)\r\nA1 OK done\r\n{5}\r\n+ go\r\n"
    yield "pop3-look", TOP + b"+OK\r\n-ERR\r\n.\r\n+OK 1\r\n"


PIECES = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b".", b"..", b"\r\n.",
          b"\n.", b"\r\n..\r\n", b"\0", b"\xff", b"\xc3\xa4", b" ", b"\t",
          b"word", b"Subject: x", b"a: b\r\n", b"\r\n\r\n", b"\n\n", b")",
          b"{3}\r\n", b'"', b"\\")


def random_message(rng):
    """A message of the same stuff, some of it long."""
    parts = []
    if rng.random() < 0.7:
        parts.append(HEAD)
    for _ in range(rng.choice((0, 1, 3, 10, 40, 200))):
        kind = rng.random()
        if kind < 0.8:
            parts.append(rng.choice(PIECES))
        elif kind < 0.97:
            parts.append(rng.choice(PIECES) * rng.randrange(1, 30))
        else:
            parts.append(b"f" * rng.choice((500, 1000, 4000, 9000, 66000)))
    return b"".join(parts)
