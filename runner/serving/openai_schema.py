"""Bytes of a request -> `ChatRequest`, or a `Refusal` in the shape that OpenAI's clients understand.

What the server does not honour is an error that names the field: a client that asks for `tools` and is answered
without them would never find out why.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic_core import ErrorDetails, from_json
from starlette.exceptions import HTTPException

MAX_MESSAGES = 512
MAX_TOKENS = 8192  # as the spec's own limit on generation.max_new_tokens
MAX_SEED = 2**32 - 2  # llama.cpp reads 32 bits, and takes all ones for "random"


class Refusal(HTTPException):
    """An answer that is no completion, raised anywhere in a request and rendered once."""

    def __init__(
        self,
        status_code: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status_code, message, headers)
        self.param = param
        self.code = code


def error_body(status: int, message: str, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return OpenAI's error object."""
    kind = "invalid_request_error" if status < 500 else "server_error"  # noqa: PLR2004 - HTTP's own division
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class _Body(BaseModel):
    """Part of a request: exact types, no unknown fields, and null means "not given", as clients send it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: object) -> object:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


class TextPart(_Body):
    """A piece of a message; other kinds (images, audio) are not text, and this server answers text."""

    type: Literal["text"]
    text: str


_PARTS = TypeAdapter(list[TextPart])


def _joined(content: object) -> object:
    """Turn a list of text parts into the one string that chat templates take."""
    return "".join(part.text for part in _PARTS.validate_python(content)) if isinstance(content, list) else content


class Message(_Body):
    """One turn of the conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    """`developer` is the newer word for `system`."""
    content: Annotated[str, BeforeValidator(_joined)]
    """Text, or a list of text parts."""


class SchemaFormat(_Body):
    """A JSON Schema under a name."""

    name: str
    description: str | None = None
    schema_: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None
    """The answer always follows the schema; there is no laxer mode to choose."""


class ResponseFormat(_Body):
    """What the answer must look like, enforced while it is written."""

    type: Literal["text", "json_object", "json_schema"]
    json_schema: SchemaFormat | None = None

    @model_validator(mode="after")
    def _schema_with_its_type(self) -> ResponseFormat:
        if (self.type == "json_schema") != (self.json_schema is not None):
            raise ValueError("`json_schema` goes with the type `json_schema`, and with no other")
        return self


class StreamOptions(_Body):
    """Extras of a streamed answer."""

    include_usage: bool = False


Stops = Annotated[list[Annotated[str, Field(min_length=1)]], Field(max_length=4)]


def _as_list(stop: object) -> object:
    return [stop] if isinstance(stop, str) else stop


class ChatRequest(_Body):
    """Body of POST /v1/chat/completions."""

    model: str
    messages: Annotated[list[Message], Field(min_length=1, max_length=MAX_MESSAGES)]
    max_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1, le=MAX_TOKENS)] | None = None
    """The newer word for `max_tokens`."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    stop: Annotated[Stops, BeforeValidator(_as_list)] | None = None
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    response_format: ResponseFormat | None = None
    user: str | None = None
    """A label of the caller's; it changes nothing in the answer."""
    metadata: Annotated[dict[str, str], Field(max_length=16)] | None = None
    """Labels of the caller's; they change nothing in the answer."""

    # Clients send these with the value that asks for nothing; any other value would be a wish we do not grant.
    n: Literal[1] | None = None
    logprobs: Literal[False] | None = None
    store: Literal[False] | None = None
    frequency_penalty: Literal[0] | None = None
    presence_penalty: Literal[0] | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> ChatRequest:
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("`max_tokens` and `max_completion_tokens` are two names of one limit; give one")
        if self.stream_options is not None and not self.stream:
            raise ValueError("`stream_options` needs `stream: true`")
        return self

    @property
    def limit(self) -> int | None:
        """The longest answer asked for, in tokens."""
        return self.max_completion_tokens or self.max_tokens


def read_chat_request(body: bytes) -> ChatRequest:
    """Return what the body asks for.

    Raises:
        Refusal: 400, naming every field that is wrong.
    """
    try:
        data = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {error}", code="invalid_json") from None
    try:
        return ChatRequest.model_validate(data)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        message = "; ".join(_explain(one) for one in found)
        raise Refusal(400, message, param=_path(found[0]) or None, code=_code(found[0])) from None


def _path(error: ErrorDetails) -> str:
    """Return where, as OpenAI writes it: `messages[0].content`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in error["loc"])
    return "".join(parts).removeprefix(".")


def _code(error: ErrorDetails) -> str:
    codes = {"extra_forbidden": "unknown_parameter", "missing": "missing_required_parameter"}
    return codes.get(error["type"], "invalid_value")


def _explain(error: ErrorDetails) -> str:
    where = _path(error)
    if error["type"] == "extra_forbidden":
        return f"`{where}` is not supported by this server{_nearest(where)}"
    said = error["msg"].removeprefix("Value error, ")
    return f"`{where}`: {said}" if where else said


def _nearest(field: str) -> str:
    near = get_close_matches(field, ChatRequest.model_fields, n=1)
    return f"; did you mean `{near[0]}`?" if near else ""
