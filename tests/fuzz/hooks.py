"""What schemathesis sends here: things that exist, so that more than "unknown" is answered."""

import json
import os
import random

import schemathesis

# Names of fields and path parameters, and what there is of their kind; "PATH uuid" is a `uuid` below that path.
KNOWN = json.loads(os.environ["CARREL_FUZZ_KNOWN"])
CHANCE = 0.7


def real(path, name, value):
    """More often than not what there is, instead of what was made up. The value decides: each run is the same."""
    found = KNOWN.get(name) or KNOWN.get(f"{path} {name}")
    dice = random.Random(f"{name}{value!r}")
    return dice.choice(found) if found and dice.random() < CHANCE else value


def replaced(path, value):
    if isinstance(value, dict):
        return {name: replaced(path, real(path, name, inner)) for name, inner in value.items()}
    if isinstance(value, list):
        return [replaced(path, inner) for inner in value]
    return value


def below(context):
    """The first two parts of a path below its document's prefix tell what it is about."""
    return next((key.split()[0] for key in KNOWN if key.split()[0] in context.operation.path), "")


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    return replaced(below(context), path_parameters)


@schemathesis.hook
def map_query(context, query):
    return replaced(below(context), query)


@schemathesis.hook
def map_body(context, body):
    return replaced(below(context), body)


# What an operation does not refuse: who asks may not, or there is no such path or method.
MEANT_BY_HTTP = {401, 403, 404, 405}


@schemathesis.check
def refused_in_the_body(context, response, case):
    """What an operation of a document that refuses with HTTP status 200 refuses: its code is looked at like a status."""
    try:
        body = response.json()
    except ValueError:
        return
    code = body.get("code") if isinstance(body, dict) else None
    assert not (isinstance(code, int) and code >= 500), f"code {code}: {body}"
    told = json.dumps(case.operation.definition.raw["responses"].get("200", {}))
    if "CodedRefusal" in told and 400 <= response.status_code < 500:
        assert response.status_code in MEANT_BY_HTTP, f"HTTP status {response.status_code}: {body}"
