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
