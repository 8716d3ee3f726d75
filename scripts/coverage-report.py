"""Judges what scripts/coverage has measured.

usage: coverage-report.py LINES.json FILES UNCOVERED.txt
"""

import json
import sys


def wanted_files(path):
    with open(path) as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                percent, name = line.split()
                yield name, float(percent)


def counts(path):
    """Of each file, how often each line with code was reached."""
    with open(path) as report:
        files = json.load(report)["files"]
    return {one["file"]: {line["line_number"]: line["count"]
                          for line in one["lines"]
                          if not line.get("gcovr/noncode")}
            for one in files}


def show_left(name, lines, out):
    with open(name) as source:
        text = source.read().split("\n")
    for number in sorted(lines):
        if lines[number] == 0:
            print(f"{name}:{number}: {text[number - 1].strip()}", file=out)


def main(lines_json, files, uncovered):
    by_file = counts(lines_json)
    failed = False
    all_lines = reached = 0
    with open(uncovered, "w") as out:
        for name, percent in wanted_files(files):
            lines = by_file.get(name, {})
            if not lines:
                print(f"{name}: nothing was measured")
                failed = True
                continue
            n = sum(count > 0 for count in lines.values())
            all_lines += len(lines)
            reached += n
            share = 100 * n / len(lines)
            under = share < percent
            failed |= under
            print(f"{share:6.1f} % of {len(lines):4} lines  {name}"
                  + (f"  UNDER {percent:g} %" if under else ""))
            show_left(name, lines, out)
    print(f"{100 * reached / max(all_lines, 1):6.1f} % of {all_lines} lines of "
          f"parsers; those that are left: {uncovered}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
