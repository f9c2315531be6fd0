#!/usr/bin/env python3
"""The descriptions of the API as C: describe.py OUT.c DOCS. openapi.yaml is taken as it is and as JSON, openrpc.json as
JSON without spaces.

The YAML is read here, so that the build needs nothing but Python: maps, lists, flow collections, quoted and plain
words, literal blocks, and folded ones of one paragraph. What is not of this form ends the build with its line."""
import json
import pathlib
import re
import sys


class Reader:
    def __init__(self, text):
        self.lines = text.split("\n")
        self.at = 0

    def fail(self, why):
        sys.exit(f"openapi.yaml:{self.at + 1}: {why}")

    def peek(self):
        """Indentation and text of the next line that says something; None: the end."""
        while self.at < len(self.lines):
            line = self.lines[self.at]
            text = line.lstrip(" ")
            if text and not text.startswith("#"):
                return len(line) - len(text), text
            self.at += 1
        return None

    def block(self, indent):
        """The value whose lines have at least this indentation."""
        depth, text = self.peek()
        if depth < indent:
            self.fail("a value is missing")
        return self.sequence(depth) if text.startswith("- ") else self.mapping(depth)

    def mapping(self, depth):
        out = {}
        while (line := self.peek()) and line[0] == depth and not line[1].startswith("- "):
            m = re.match(r'("(?:[^"\\]|\\.)*"|[^\s"\'{}\[\],#&*!|>%@`:-][^:#]*?|\$ref|/[^:]*):(?: +(.*))?$', line[1])
            if not m:
                self.fail(f"no key: {line[1]}")
            key = json.loads(m[1]) if m[1].startswith('"') else m[1]
            if key in out:
                self.fail(f"{key} is there twice")
            self.at += 1
            out[key] = self.value(m[2] or "", depth)
        if line and line[0] > depth:
            self.fail("indented too far")
        return out

    def sequence(self, depth):
        out = []
        while (line := self.peek()) and line[0] == depth and line[1].startswith("- "):
            rest = line[1][2:].lstrip(" ")
            if re.match(r'("(?:[^"\\]|\\.)*"|[\w$-]+): |[\w$-]+:$', rest):  # a map that begins on this line
                inner = len(self.lines[self.at]) - len(rest)
                self.lines[self.at] = " " * inner + rest
                out.append(self.mapping(inner))
            else:
                self.at += 1
                out.append(self.value(rest, depth))
        return out

    def value(self, text, depth):
        """What stands behind a key or a dash at this depth."""
        if text in ("|", ">-"):
            lines = self.literal(depth)
            return "\n".join(lines) + "\n" if text == "|" else " ".join(x.strip() for x in lines)
        if text == "":
            return self.block(depth + 1)
        value, rest = self.inline(text)
        if rest.strip() and not rest.lstrip(" ").startswith("#"):
            self.fail(f"what is this? {rest}")
        return value

    def literal(self, depth):
        lines = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip() and len(line) - len(line.lstrip(" ")) <= depth:
                break
            lines.append(line)
            self.at += 1
        cut = min(len(x) - len(x.lstrip(" ")) for x in lines if x.strip())
        while not lines[-1].strip():
            lines.pop()
        return [x[cut:] for x in lines]

    def inline(self, text, flow=False):
        """A value at the beginning of the text, and what is left of it."""
        text = text.lstrip(" ")
        if text[:1] in ("{", "["):
            return self.flow(text[1:], "}" if text[0] == "{" else "]")
        if text.startswith('"'):
            m = re.match(r'"(?:[^"\\]|\\.)*"', text)
            if not m:
                self.fail("a quote is not closed")
            return json.loads(m[0]), text[m.end():]
        m = re.match(r"[^,\[\]{}#:]*(?::(?! )[^,\[\]{}#:]*)*" if flow else r"(?:(?! #|: ).)*", text)
        word = m[0].rstrip(" ")
        if not word or word[0] in "'&*!|>%@`":
            self.fail(f"no plain word: {text}")
        return scalar(word), text[m.end():]

    def flow(self, text, close):
        out = {} if close == "}" else []
        while True:
            text = text.lstrip(" ")
            if text.startswith(close):
                return out, text[1:]
            value, text = self.inline(text, flow=True)
            if close == "}":
                if not text.startswith(":"):
                    self.fail("a value is missing")
                out[value], text = self.inline(text[1:], flow=True)
            else:
                out.append(value)
            text = text.lstrip(" ")
            if text.startswith(","):
                text = text[1:]
            elif not text.startswith(close):
                self.fail(f"not closed: {text}")


def scalar(word):
    words = {"true": True, "false": False, "null": None, "~": None}
    if word in words:
        return words[word]
    if re.fullmatch(r"-?(0|[1-9][0-9]*)", word):
        return int(word)
    if re.fullmatch(r"-?(0|[1-9][0-9]*)\.[0-9]+", word):
        return float(word)
    return word


def yaml(text):
    r = Reader(text)
    value = r.block(0)
    if r.peek():
        r.fail("what is this?")
    return value


def array(name, data):
    rows = "\n".join("    " + "".join(f"{b}," for b in data[i:i + 24]) for i in range(0, len(data), 24))
    return f"const unsigned char {name}[] = {{\n{rows}\n}};\nconst size_t {name}_len = {len(data)};\n"


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def main():
    out, docs = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    text = (docs / "openapi.yaml").read_text(encoding="utf-8")
    rpc = json.loads((docs / "openrpc.json").read_text(encoding="utf-8"))
    out.write_text('/* Made by describe.py. */\n#include "api/about.h"\n\n' + array("openapi_yaml", text.encode())
                   + array("openapi_json", compact(yaml(text))) + array("openrpc_json", compact(rpc)))


if __name__ == "__main__":
    main()
