"""Asks the vendors' own libraries about what keyway sends them.

Reads lines from standard input, each a list of questions as JSON, and writes a list of answers for
each: `null` where the library is content, else what it says.

    {"api": "anthropic" | "gemini" | "openai" | "openai_responses",
     "ask": "tool", "strict": bool, "json": ENTRY}     one entry of `tools`
    {"api": …, "ask": "answer", "json": ANSWER}        what came of a call
"""

import copy
import json
import logging
import sys
import warnings

from agents.strict_schema import ensure_strict_json_schema
from anthropic.lib._parse._transform import transform_schema
from anthropic.types import ToolParam, ToolResultBlockParam
from google.genai import types as gemini
from jsonschema import Draft202012Validator
from openai.types.chat import ChatCompletionFunctionToolParam, ChatCompletionToolMessageParam
from openai.types.responses import FunctionToolParam
from openai.types.responses.response_input_param import FunctionCallOutput
from pydantic import TypeAdapter

TOOLS = {
    "anthropic": (ToolParam, "input_schema"),
    "openai": (ChatCompletionFunctionToolParam, "parameters"),
    "openai_responses": (FunctionToolParam, "parameters"),
}
ANSWERS = {
    "anthropic": ToolResultBlockParam,
    "openai": ChatCompletionToolMessageParam,
    "openai_responses": FunctionCallOutput,
}


def check(question):
    api, value = question["api"], question["json"]
    if question["ask"] == "answer":
        return check_answer(api, value)
    if api == "gemini":
        return check_gemini_tool(value)
    kind, member = TOOLS[api]
    validate(kind, value)
    schema = value.get("function", value)[member]
    Draft202012Validator.check_schema(schema)
    if question["strict"]:
        convert = transform_schema if api == "anthropic" else ensure_strict_json_schema
        converted = convert(copy.deepcopy(schema))
        if converted != schema:
            return f"converted to {json.dumps(converted)}"
    return None


def check_gemini_tool(value):
    declaration = gemini.FunctionDeclaration.model_validate(value)
    schema = declaration.parameters_json_schema
    Draft202012Validator.check_schema(schema)
    # The class for the older `parameters` knows no recursion and no tuples; `parametersJsonSchema`
    # has both.
    if "$ref" not in json.dumps(schema) and "prefixItems" not in json.dumps(schema):
        gemini.Schema.from_json_schema(json_schema=gemini.JSONSchema.model_validate(schema))
    return None


def check_answer(api, value):
    if api == "gemini":
        gemini.Part.model_validate(value)
    else:
        validate(ANSWERS[api], value)
    return None


def validate(kind, value):
    """TypedDicts take any member; these take what they name."""
    known = set(kind.__annotations__)
    for base in getattr(kind, "__orig_bases__", ()):
        known |= set(getattr(base, "__annotations__", {}))
    unknown = set(value) - known
    if unknown:
        raise ValueError(f"unknown members {sorted(unknown)}")
    TypeAdapter(kind).validate_python(value)


def answer(question):
    try:
        return check(question)
    except Exception as error:  # whatever a library says is the answer
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable()
    for line in sys.stdin:
        print(json.dumps([answer(question) for question in json.loads(line)]), flush=True)
