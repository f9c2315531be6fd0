"""An OpenAPI description as something to exercise: operations, values that fit their schemas and values that
do not, and a judge of the answers. Needs python3-jsonschema and python3-hypothesis."""
import base64
import copy
import dataclasses
import json
import os
import re
import sys
import tempfile
import urllib.parse

# Where `./dev` has them installed, also for a Python that is not the system's.
sys.path.append("/usr/lib/python3/dist-packages")
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", os.path.join(tempfile.gettempdir(), "mycelium-hypothesis"))
import jsonschema  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

METHODS = ("get", "put", "post", "delete")
# The description allows waits of minutes, and has them by default: generated ones are short.
LONGEST_WAIT_MS = 20
SHORT = ["0s", "5ms", f"{LONGEST_WAIT_MS}ms"]
SECONDS = {"timeout", "reply_timeout"}  # not to be waited for
WITH_SHORT = {"index": "wait=5ms", "wait": "waitMs=5"}  # added when it has none
# What a description cannot say: parameters of which a call takes one only, or that need another one.
NOT_ALONE = {"dst", "ack"}
ONE_OF = ({"topic", "prefix", "pattern"}, {"topic", "topicText"})
TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
KEY = TEXT.filter(lambda key: "\0" not in key)
ANY_JSON = st.recursive(st.none() | st.booleans() | st.integers(-2**70, 2**70) | st.floats(allow_nan=False, allow_infinity=False)
                        .filter(lambda x: x != int(x)) | TEXT,
                        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEY, inner, max_size=3), max_leaves=5)


def without_references(value, document):
    """The same with every $ref replaced by what it names (the schemas do not name themselves)."""
    if isinstance(value, list):
        return [without_references(v, document) for v in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        at = document
        for step in value["$ref"].removeprefix("#/").split("/"):
            at = at[step]
        return without_references(at, document)
    return {k: without_references(v, document) for k, v in value.items()}


def closed(schema):
    """The same with no room for fields that it does not name."""
    schema = copy.deepcopy(schema)

    def walk(s):
        if isinstance(s, dict):
            if "properties" in s:
                s.setdefault("additionalProperties", False)
            for v in s.values():
                walk(v)
        elif isinstance(s, list):
            for v in s:
                walk(v)
    walk(schema)
    return schema


def _is_encoded(_, encoding, value, __):
    if encoding == "base64" and isinstance(value, str):
        try:
            good = base64.b64encode(base64.b64decode(value, validate=True)).decode() == value
        except ValueError:
            good = False
        if not good:
            yield jsonschema.ValidationError(f"{value!r} is not base64")


Validator = jsonschema.validators.extend(jsonschema.Draft202012Validator, {"contentEncoding": _is_encoded})


def faults(schema, value):
    return [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:200]}" for e in Validator(schema).iter_errors(value)]


# --- values ----------------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Known:
    """Something that the node has named before: resolved when the request is made, so that what is generated
    does not hang on what was answered."""
    kind: str
    which: int


def known(kind):
    return st.integers(0, 1 << 16).map(lambda n: Known(kind, n))


def fitting(schema, name=""):
    """Values for the schema; those that name something are mostly Known."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "oneOf" in schema and "properties" not in schema:
        return st.one_of(*(fitting(s, name) for s in schema["oneOf"]))
    if name == "wait":
        return st.sampled_from(SHORT)
    kind = schema.get("type")
    if name in KNOWN_NAMES:
        other = _plain(schema, kind, name)
        return one_in(4).flatmap(lambda rare: other if rare else known(KNOWN_NAMES[name]))
    return _plain(schema, kind, name)


KNOWN_NAMES = {"dst": "ip", "topic": "topic", "endpoint": "endpoint", "subnet": "source", "ref": "ref", "seq": "seq", "tokens[]": "token", "replyTo": "id", "id": "id", "ip": "ip", "pk": "pk"}


def _plain(schema, kind, name):
    if kind == "object":
        return _object(schema)
    if kind == "array":
        least = schema.get("minItems", 0)
        return st.lists(fitting(schema["items"], name + "[]"), min_size=least, max_size=min(schema.get("maxItems", 4), least + 3))
    if kind == "integer":
        low, high = schema.get("minimum", 0), schema.get("maximum", 1 << 40)
        if name in SECONDS:
            high = 0
        if name == "waitMs":
            high = LONGEST_WAIT_MS
        return st.one_of(st.just(low), st.just(high), st.integers(low, high))
    if kind == "boolean":
        return st.booleans()
    if kind == "string":
        return _string(schema)
    return ANY_JSON


def _string(schema):
    if schema.get("contentEncoding") == "base64":
        most = schema.get("maxLength", 400) // 4 * 3
        return st.one_of(st.just(b""), st.sampled_from([b"a/b", b"a/b/c"]), st.binary(max_size=most)) \
            .map(lambda b: base64.b64encode(b).decode())
    if "pattern" in schema:
        return st.from_regex(re.compile(schema["pattern"].removesuffix("$") + r"\Z", re.ASCII))
    return st.text(st.characters(blacklist_categories=("Cs",)), min_size=schema.get("minLength", 0),
                   max_size=min(schema.get("maxLength", 20), 20))


def _object(schema):
    properties = schema.get("properties", {})
    variants = [v.get("required", []) for v in schema.get("oneOf", [{}])]

    def one(variant):
        others = {n for v in variants for n in v} - set(variant)
        wanted = set(schema.get("required", [])) | set(variant)
        return st.fixed_dictionaries(
            {n: fitting(properties[n], n) for n in properties if n in wanted},
            optional={n: fitting(s, n) for n, s in properties.items() if n not in wanted | others})
    return st.one_of(*(one(v) for v in variants))


def spoilt(schema):
    """Values near the schema: one field left out, of another kind, or too many; or anything at all."""
    if schema.get("type") != "object":
        return st.one_of(fitting(schema), ANY_JSON)

    @st.composite
    def one(draw):
        value = dict(draw(fitting(schema)))
        names = sorted(schema.get("properties", {})) + ["fieldOfNobody"]
        for _ in range(draw(st.integers(1, 2))):
            name = draw(st.sampled_from(names))
            if draw(st.booleans()):
                value.pop(name, None)
            else:
                value[name] = draw(ANY_JSON)
        return value
    return one_in(6).flatmap(lambda rare: ANY_JSON if rare else one())


# --- requests --------------------------------------------------------------------------------------

@dataclasses.dataclass
class Operation:
    method: str
    path: str
    name: str
    parameters: list
    bodies: dict  # content type: schema
    responses: dict
    body_needed: bool

    def __str__(self):
        return f"{self.method} {self.path}"

    def streams(self):
        return any("text/event-stream" in r.get("content", {}) for r in self.responses.values()) or "101" in self.responses


def operations(document):
    whole = without_references(document, document)
    for path, item in whole["paths"].items():
        for method in METHODS:
            if method in item:
                o = item[method]
                body = o.get("requestBody", {})
                yield Operation(method.upper(), path, o["operationId"], item.get("parameters", []) + o.get("parameters", []),
                                {t: c.get("schema", {}) for t, c in body.get("content", {}).items()}, o["responses"],
                                body.get("required", False))


@dataclasses.dataclass
class Request:
    """What is sent: resolved, nothing left to choose."""
    method: str
    path: str
    headers: dict
    content_type: str
    body: bytes
    fits: bool  # every part of it is as the description wants it; None: that it cannot say

    def __str__(self):
        return f"{self.method} {self.path} {self.headers or ''} {self.content_type or ''} {(self.body or b'')[:400]!r}"


def requests(operation):
    """A strategy of (parameters, (content type, body)); see resolve(). Few of the parameters are given, and one in
    four of them is any text, so that what follows is looked at as well."""
    needed = {p["name"] for p in operation.parameters if p["in"] == "path"}
    optional = sorted({p["name"] for p in operation.parameters} - needed)
    fit, wild = {}, {}
    for p in operation.parameters:
        wild[p["name"]] = TEXT.filter(len) if p["in"] == "path" else TEXT
        fit[p["name"]] = fitting(p["schema"], p["name"])
        if p["in"] == "header":
            wild[p["name"]] = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7e), max_size=80)
            fit[p["name"]] = fit[p["name"]] if "pattern" in p["schema"] else wild[p["name"]]
    bodies = [_body(t, s) for t, s in operation.bodies.items()]
    stray = st.tuples(st.sampled_from(sorted(operation.bodies) + ["text/plain"]), st.binary(max_size=60))

    @st.composite
    def one(draw):
        given = needed | (draw(st.sets(st.sampled_from(optional), max_size=3)) if optional else set())
        values = {n: draw((wild if draw(one_in(4)) else fit)[n]) if n in given else None for n in fit}
        if not bodies:
            return values, (None, None)
        return values, draw(stray if draw(one_in(8)) else st.one_of(*bodies))
    return one()


def one_in(n):
    return st.integers(1, n).map(lambda x: x == n)


def _body(content_type, schema):
    if not content_type.endswith("json"):
        return st.tuples(st.just(content_type), st.binary(max_size=300))
    return st.tuples(st.just(content_type), fitting(schema) | spoilt(schema))


def plain(operation, which):
    """What a request needs and no more, as requests() gives it; which: of the known things."""
    def need(schema, name):
        if name in KNOWN_NAMES and "type" in schema:
            return Known(KNOWN_NAMES[name], which)
        if schema.get("type") == "array":
            return [need(schema["items"], name + "[]")]
        if schema.get("type") == "boolean":
            return True
        first = schema.get("oneOf", [{}])[0]
        names = schema.get("required", []) + first.get("required", [])
        if schema.get("type") == "object" or "properties" in first:
            properties = schema.get("properties") or first["properties"]
            return {n: need(properties[n], n) for n in names}
        return ""
    values = {p["name"]: need(p["schema"], p["name"]) if p["in"] == "path" else None for p in operation.parameters}
    content_type = next(iter(operation.bodies), None)
    return values, (content_type, need(operation.bodies[content_type], "") if content_type else None)


def resolve(operation, values, body, memory):
    """The request. memory: what the node has named, by kind."""
    def real(v):
        if isinstance(v, Known):
            seen = memory[v.kind]
            return seen[v.which % len(seen)]
        if isinstance(v, dict):
            return {k: real(x) for k, x in v.items()}
        return [real(x) for x in v] if isinstance(v, list) else v

    path, query, headers, fits = operation.path, [], {}, True
    for p in operation.parameters:
        value = real(values[p["name"]])
        if value is None:
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        text = "0" if p["name"] in SECONDS and text.isdecimal() else text
        fits = fits and text_fits(p["schema"], text)
        if p["in"] == "path":
            path = path.replace("{" + p["name"] + "}", urllib.parse.quote(text, safe=""))
        elif p["in"] == "query":
            query.append(f"{p['name']}={urllib.parse.quote(text, safe='')}")
        else:
            headers[p["name"]] = text
    content_type, value = body
    value = real(value)
    schema = operation.bodies.get(content_type)
    if isinstance(value, bytes):
        fits = fits and content_type == "application/octet-stream" and content_type in operation.bodies
    elif content_type is not None:
        fits = fits and not faults(schema, value)
        value = json.dumps(value, ensure_ascii=False).encode()
    names = {q.partition("=")[0] for q in query}
    query += [short for name, short in WITH_SHORT.items() if name in names and short.partition("=")[0] not in names
              and any(p["name"] == short.partition("=")[0] for p in operation.parameters)]
    if fits and (any(len(names & one) > 1 for one in ONE_OF) or names & NOT_ALONE):
        fits = None
    # Which of them counts with which body no description can say.
    if "application/octet-stream" in operation.bodies and (names or content_type == "application/octet-stream"):
        fits = None
    return Request(operation.method, path + ("?" + "&".join(query) if query else ""), headers, content_type, value, fits)


def text_fits(schema, text):
    kind = schema.get("type")
    if kind == "integer":
        return bool(re.fullmatch("[0-9]+", text)) and not faults(schema, int(text))
    if kind == "boolean":
        return text in ("true", "false")
    return not faults(schema, text)


# --- answers ---------------------------------------------------------------------------------------

def judge(operation, answer, statuses_of_codes):
    """What is wrong with the answer, as lines; none if the description has it as it is."""
    out = []
    response = operation.responses.get(str(answer.status), operation.responses.get("default"))
    if answer.status >= 500 and answer.status not in (503, 507):
        out.append(f"status {answer.status}")
    if response is None:
        return out + [f"status {answer.status} is not described"]
    media, content = answer.headers.get("content-type", "").partition(";")[0], response.get("content", {})
    if not content:
        return out + ([f"a body of type {media!r} that is not described"] if answer.body else [])
    if answer.status >= 400 and not answer.body and not media:
        return out  # a refusal without text
    if media not in content:
        return out + [f"content type {media!r} is not described for {answer.status}"]
    if not media.endswith("json") or not answer.body:
        return out
    value = answer.json()
    out += faults(closed(content[media].get("schema", {})), value)
    if media == "application/problem+json":
        if value.get("status") != answer.status or answer.status not in statuses_of_codes.get(value.get("code"), ()):
            out.append(f"problem {value} with status {answer.status}")
    return out
