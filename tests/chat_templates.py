"""Chat templates for tests: one that shows tools, as Qwen's and Hermes' do, on ChatML's special tokens."""

TOOLS = """\
{%- if tools %}{{- '<|im_start|>system\n<tools>' }}{% for tool in tools %}{{- '\n' }}{{- tool | tojson }}{% endfor %}
{{- '\n</tools><|im_end|>\n' }}{% endif %}
{%- for message in messages %}
    {%- if message.role == 'tool' %}
        {{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\n' + message.content }}
        {%- for call in message.tool_calls or [] %}
            {{- '<tool_call>\n{"name": "' + call.function.name + '", "arguments": ' }}
            {{- call.function.arguments | tojson }}{{- '}\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %}"""

WEATHER = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city, in °C.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


def weather_call(city: str) -> dict:
    """Return an assistant's message that calls the tool, in canonical form."""
    arguments = f'{{"unit": "C", "city": "{city}"}}'
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}
    return {"role": "assistant", "content": "", "tool_calls": [call]}


def weather_talk(city: str = "Málaga") -> list[dict]:
    """Return a conversation in which a tool is called and its result is told."""
    return [
        {"role": "user", "content": f"Weather in {city}?"},
        weather_call(city),
        {"role": "tool", "content": '{"t": 21.5}', "tool_call_id": "c1"},
        {"role": "assistant", "content": "Sunny, 21.5 °C."},
    ]
