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
"""

import argparse
import os
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


def prepare(args):
    """The header beside itself, compiled: where the compiler looks for it. Whole or not at all."""
    status, output = compile(args, "-x", "c++-header", args.header, "-o", f"{args.header}.new")
    if status != 0:
        print(f"{args.header} does not compile:\n{output}")
        return 1
    os.replace(f"{args.header}.new", f"{args.header}.gch")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--flags", required=True, help="a file with one compiler argument in each line")
    parser.add_argument("--header", help="included before each program")
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

    failures = 0
    status, output = compile_with(args, "-DRIGHT")
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
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
