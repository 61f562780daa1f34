"""Compiles the wrong programs of one file, and its right twin.

    // expect: never captures
    // expect: name it first
    #include <weft/weft.hpp>
    ...
    #if defined(RIGHT)
        what to write instead
    #elif WRONG == 1
        the program that must be refused with a message matching the first `expect`
    #elif WRONG == 2
        the one for the second
    #endif

A file with one `expect` need not look at WRONG: what is not RIGHT is wrong. The expected text is a Python regular
expression, searched in the compiler's error messages (not in its notes or in the source lines it quotes: those
contain the whole program and would match nearly anything).

--header names a header that is included before each program; --prepare compiles it, so that the compiler takes it from there.

What passed is not compiled again as long as every file that went into it holds what it held: --passed names a directory
that remembers this.
"""

import argparse
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys


def compile(args, *arguments):
    command = [args.compiler, f"@{args.flags}", "-fdiagnostics-color=never", "-fno-diagnostics-show-caret", *arguments]
    run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100, env={
        "PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C"})     # messages in English
    return run.returncode, run.stdout


def compile_with(args, *definitions):
    header = ["-include", args.header, "-Winvalid-pch"] if args.header else []
    return compile(args, *header, *definitions, "-fsyntax-only", args.case)


class Passed:
    """What passed, and a digest of all that went into it."""

    def __init__(self, args, name):
        self.args = args
        self.path = pathlib.Path(args.passed, f"{name}.json")
        self.dependencies = pathlib.Path(args.passed, f"{name}.d")
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def digest(self, files):
        sum = hashlib.sha256(compile(self.args, "--version")[1].encode())
        for file in [__file__, self.args.flags, *files]:
            sum.update(hashlib.sha256(pathlib.Path(file).read_bytes()).digest())
        return sum.hexdigest()

    def still(self):
        try:
            known = json.loads(self.path.read_text())
            return self.digest(known["files"]) == known["digest"]
        except (OSError, ValueError, KeyError):
            return False

    def flags(self):
        """Let the compiler say what it read."""
        return "-MD", "-MF", str(self.dependencies), "-MT", "it"

    def remember(self):
        text = self.dependencies.read_text().replace("\\\n", " ")
        files = set(text.removeprefix("it:").split())
        if self.args.header and not self.args.prepare:  # the compiler does not name what it took from there
            files.update(json.loads(pathlib.Path(self.args.passed, "header.json").read_text())["files"])
        files = sorted(files)
        self.path.write_text(json.dumps({"digest": self.digest(files), "files": files}))


def prepare(args):
    """The header beside itself, compiled: where the compiler looks for it. Whole or not at all."""
    passed = Passed(args, "header")
    if os.path.exists(f"{args.header}.gch") and passed.still():
        print(f"{args.header}: nothing has changed")
        return 0
    status, output = compile(args, *passed.flags(), "-x", "c++-header", args.header, "-o", f"{args.header}.new")
    if status != 0:
        print(f"{args.header} does not compile:\n{output}")
        return 1
    os.replace(f"{args.header}.new", f"{args.header}.gch")
    passed.remember()
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--flags", required=True, help="a file with one compiler argument in each line")
    parser.add_argument("--header", help="included before each program")
    parser.add_argument("--passed", required=True, help="a directory")
    parser.add_argument("--prepare", action="store_true", help="only compile the header")
    parser.add_argument("case", nargs="?")
    args = parser.parse_args()
    if args.prepare:
        return prepare(args)

    with open(args.case, encoding="utf-8") as source:
        expectations = re.findall(r"^//\s*expect:\s*(.+?)\s*$", source.read(), re.MULTILINE)
    if not expectations:
        print(f"{args.case}: no '// expect: <regex>' line")
        return 1

    passed = Passed(args, pathlib.Path(args.case).stem)
    if passed.still():
        print(f"{args.case}: passed, and nothing has changed since")
        return 0
    failures = 0
    status, output = compile_with(args, "-DRIGHT", *passed.flags())
    if status != 0:
        failures += 1
        print(f"{args.case}: the right twin (-DRIGHT) does not compile:\n{output}")

    for number, expected in enumerate(expectations, start=1):
        status, output = compile_with(args, f"-DWRONG={number}")
        errors = [line for line in output.splitlines() if re.search(r"\berror:", line)]
        if status == 0:
            failures += 1
            print(f"{args.case}: wrong program {number} compiles; expected it to be refused with: {expected}")
        elif not any(re.search(expected, error) for error in errors):
            failures += 1
            print(f"{args.case}: wrong program {number} is refused, but not with: {expected}\n{output}")
        else:
            print(f"{args.case}: wrong program {number} is refused with: {expected}")
    if failures:
        return 1
    passed.remember()
    return 0


if __name__ == "__main__":
    sys.exit(main())
