"""Record how transformers lays out conversations, by chat templates in the styles of well-known models.

    python chat_oracle.py ../models/austen-llama ../../test/runtime/generate/chat.json [SMOLLM2]

The templates are written here, but for SmolLM2's own, which is read from the folder SMOLLM2 (Apache-2.0). Each case has
the text and, by the sample model's tokenizer, the ids of `apply_chat_template(add_generation_prompt=True)`; or what the
template raises. `dates` are what Python's strftime writes.
"""

import datetime
import json
import pathlib
import sys

from jinja2.exceptions import TemplateError
from transformers import AutoTokenizer

CHATML = """{%- for message in messages -%}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{ '<|im_start|>assistant\\n' }}
{%- endif -%}
"""

LLAMA3 = """{{- bos_token }}
{%- if not tools is defined or tools is none %}
    {%- set tools = none %}
{%- endif %}
{#- A system message is taken out of the list, so that the date can stand in front of it. #}
{%- if messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set system_message = "" %}
{%- endif %}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{%- if tools is not none %}
    {{- "Tools: " ~ (tools | tojson(indent=4)) }}
{%- endif %}
{%- if date_string is not defined %}
    {%- set date_string = "26 Jul 2024" %}
{%- endif %}
{{- "Today Date: " + date_string + "\\n\\n" }}
{{- system_message }}
{{- "<|eot_id|>" }}
{%- for message in messages %}
    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
"""

MISTRAL = """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('After the optional system message, roles must alternate user/assistant!') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {%- if loop.last and system_message is defined %}
            {{- '[INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}
        {%- else %}
            {{- '[INST] ' + message['content'] + ' [/INST]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' + message['content'] + eos_token }}
    {%- else %}
        {{- raise_exception('Only user and assistant roles are supported, not ' + message['role']) }}
    {%- endif %}
{%- endfor %}
"""

GEMMA = """{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{% for message in messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if (message['role'] == 'assistant') %}{% set role = 'model' %}{% else %}{% set role = message['role'] %}{% endif %}{{ '<start_of_turn>' + role + '
' + message['content'] | trim + '<end_of_turn>
' }}{% endfor %}{% if add_generation_prompt %}{{'<start_of_turn>model
'}}{% endif %}"""

# What newer templates use: macros, namespaces, loop controls, string methods, filters, tests.
MODERN = """{%- macro turn(role, text) -%}
<|{{ role }}|>{{ text }}<|end|>
{% endmacro -%}
{%- set ns = namespace(seen=0, last='') -%}
{%- for message in messages -%}
    {%- if message.role not in ['system', 'user', 'assistant'] -%}{%- continue -%}{%- endif -%}
    {%- set content = message.content -%}
    {%- if '</think>' in content -%}
        {%- set content = content.split('</think>')[-1].lstrip('\\n') -%}
    {%- endif -%}
    {%- set ns.seen = ns.seen + 1 -%}
    {%- set ns.last = message.role | upper -%}
    {{- turn(message.role, content | replace('\\t', ' ')) -}}
    {%- if ns.seen == 6 -%}{%- break -%}{%- endif -%}
{%- endfor -%}
{{- {'turns': ns.seen, 'last': ns.last, 'é': [1, 2.5, true, none]} | tojson -}}
{%- if messages | selectattr('role', 'equalto', 'user') | list | length > 1 %} long{% endif -%}
{%- if messages[-1].role != 'assistant' and add_generation_prompt %}
<|assistant|>
{% endif -%}
{{- pad_token if pad_token is defined else 'no pad' }}{{ sep_token }}
"""

CONVERSATIONS = {
    "one": [{"role": "user", "content": "Was Emma handsome?"}],
    "system": [
        {"role": "system", "content": "  You are Jane Austen. "},
        {"role": "user", "content": "Who are you?\n"},
    ],
    "turns": [
        {"role": "user", "content": "Hi <b>&amp;</b> \"you\" 'there'"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nGood day, sir."},
        {"role": "user", "content": "\tÉtait-ce 😀?  "},
    ],
    "two users": [{"role": "user", "content": "One."}, {"role": "user", "content": "Two."}],
    "tool": [{"role": "user", "content": "One."}, {"role": "tool", "content": "42"}],
    "assistant last": [{"role": "user", "content": "One."}, {"role": "assistant", "content": "Two"}],
    "special tokens": [{"role": "user", "content": "<|eos|> and <|bos|>"}],
}

DATES = ["2024-02-29 00:05:09", "2026-11-28 13:45:00", "2023-01-01 12:00:59"]
FORMATS = ["%d %b %Y", "%Y-%m-%d", "%A, %B %d, %Y", "%H:%M:%S", "%I:%M %p", "%j %y %a %w", "%-d.%-m. 100%%"]


def main() -> None:
    """Record all cases."""
    tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
    templates = {"chatml": CHATML, "llama3": LLAMA3, "mistral": MISTRAL, "gemma": GEMMA, "modern": MODERN}
    if len(sys.argv) > 3:
        templates["smollm2"] = (pathlib.Path(sys.argv[3]) / "chat_template.jinja").read_text()
    cases = []
    for style, template in templates.items():
        for name, messages in CONVERSATIONS.items():
            case = {"template": style, "messages": name}
            try:
                options = {"chat_template": template, "add_generation_prompt": True}
                case["text"] = tokenizer.apply_chat_template(messages, tokenize=False, **options)
                case["ids"] = tokenizer.apply_chat_template(messages, **options)["input_ids"]
            except TemplateError as error:
                case["raises"] = str(error)
            cases.append(case)
    dates = [
        {"date": date, "format": one, "text": datetime.datetime.fromisoformat(date).strftime(one)}
        for date in DATES
        for one in FORMATS
    ]
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        lines = ",\n".join("    " + json.dumps(case, ensure_ascii=False) for case in cases)
        file.write(
            f'{{\n  "templates": {json.dumps(templates, indent=2)},\n'
            f'  "conversations": {json.dumps(CONVERSATIONS, ensure_ascii=False)},\n'
            f'  "cases": [\n{lines}\n  ],\n  "dates": {json.dumps(dates)}\n}}\n'
        )


if __name__ == "__main__":
    main()
