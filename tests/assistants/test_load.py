from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.assistants import load
from vivavoce.assistants.load import SECTIONS, written_keys
from vivavoce.errors import AssistantError, Mistake
from vivavoce.file_reading import FolderFile

from ..support.folders import KNOWN, write
from ..support.toml import SCALARS, Writer

AS_DOCUMENTED = """\
name = "charlotte"                  # required; [a-z0-9-]{1,40}; equals the folder's name
title = "Charlotte"                 # shown to people; text, or a table by language
description = "Info point of the congress"
languages = ["en", "it", "es"]      # the first is the fallback
roles = ["guest", "staff"]          # the first is the default
engine = "cascade"                  # cascade | upstream | scripted

[instructions]                      # Jinja2, sandboxed; looked up role.language → role → …
default = { file = "prompts/default.md" }
staff.it = { file = "prompts/staff.it.md" }

[greeting]                          # optional; spoken first
en = "Hello, how can I help?"

[variables.city]                    # type: text | number | date | choice
type = "text"
default = "Turin"
description = "Where the event is"

[voice]
name = "marin"
speed = 1.0

[turns]                             # the session's default turn_detection
type = "server_vad"
threshold = 0.5
prefix_padding_ms = 300
silence_duration_ms = 500
gate_db = 15                        # how far below the talker's level other voices are ignored

[cascade]                           # adapters by name; each may be a table by language
stt = "pocketsphinx"
brain = "extractive"
tts = "espeak"

[upstream]                          # when engine = "upstream"
base_url = "https://api.openai.com/v1"
model = "gpt-realtime-2.1"
key = { env = "OPENAI_API_KEY" }    # or { file = "…" }

[[tools]]                           # kind: client now
kind = "client"
name = "show_map"
description = "Show a map of the venue on the visitor's screen"
parameters = { file = "tools/show_map.json" }

[knowledge]
paths = ["knowledge/**/*.md", "knowledge/**/*.csv"]

[limits]
call_minutes = 60
idle_minutes = 5
calls_at_once = 20
locked = ["instructions", "tools"]  # session fields that a browser may not change
"""


def found(folder: Path) -> list[Mistake]:
    try:
        load(folder, KNOWN)
    except AssistantError as error:
        return error.mistakes
    return []


def mistakes(folder: Path) -> list[str]:
    """List mistakes as they are printed, without the folder's name."""
    return [str(mistake).removeprefix(f"{folder.name}/") for mistake in found(folder)]


def mistake(parent: Path, toml: str, **files: str | bytes) -> str:
    """Return the only mistake."""
    (only,) = mistakes(write(parent, f'name = "ada"\n{toml}', **files))
    return only


def test_documented_example_loads_unchanged(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        AS_DOCUMENTED,
        "charlotte",
        prompts__default_md="You are {{ title }} in {{ city }}.",
        prompts__staff_it_md="Sei {{ title }}, e parli con lo staff.",
        tools__show_map_json='{"type": "object", "properties": {"place": {"type": "string"}}}',
        knowledge__venue_md="# The venue",
    )
    assistant = load(folder, KNOWN)
    assert assistant.instructions() == "You are Charlotte in Turin."
    assert assistant.instructions("staff", "it") == "Sei Charlotte, e parli con lo staff."
    assert [tool.name for tool in assistant.tools()] == ["show_map"]
    assert assistant.knowledge_files() == (FolderFile(folder, "knowledge/venue.md"),)


def test_name_is_the_only_required_key(tmp_path: Path) -> None:
    assistant = load(write(tmp_path, 'name = "ada"'), KNOWN)
    assert (assistant.title(), assistant.languages, assistant.roles) == ("Ada", ("en",), ("guest",))
    assert assistant.engine == "cascade"
    assert assistant.instructions().startswith("You are Ada, a voice assistant.")
    assert assistant.greeting() is None
    assert assistant.tools() == ()
    assert assistant.knowledge_files() == ()
    assert [assistant.adapter(kind) for kind in ("stt", "brain", "tts")] == [
        "pocketsphinx",
        "extractive",
        "espeak",
    ]


def test_load_reports_all_mistakes_at_once_with_their_lines(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        """\
        name = "bob"
        titel = "Ada"
        languages = [
          "en",
          "italian",  # not as BCP 47 has it
        ]
        engine = "cascad"
        voice.speed = 3.0
        voice.name = "marine"

        [instructions]
        default = { file = "prompts/default.md" }

        [variables.size]
        type = "choice"
        default = "huge"
        choices = ["small", "large"]

        [turns]
        type = "semantic_vad"
        threshold = 0.5

        [cascade]
        stt = { en = "pocketspinx" }
        brain = "extractive"

        [[tools]]
        name = "first"
        [[tools]]
        kind = "clinet"
        decimals = 2
        [[tools]]
        name = "second"
        parameters = { type = "object", properties = { place = { type = "text" } } }

        [upstream]
        base_url = "ftp://example.org"

        [knowledge]
        paths = [
          "knowledge/*.md",
          "../secrets.md",
        ]

        [limits]
        idle_minutes = "5"
        locked = ["tools", "instruction"]
        """,
        prompts__default_md="Hello.\n\nYou are in {{ city }.\n",
    )
    assert mistakes(folder) == [
        'assistant.toml:1: name: must be the name of its folder, "ada"',
        'assistant.toml:2: titel: is not a key here (did you mean "title"?)',
        'assistant.toml:5: languages.1: "italian" is not a language such as "en" or "pt-BR"',
        "assistant.toml:7: engine: must be one of cascade, scripted, upstream "
        '(did you mean "cascade"?)',
        "assistant.toml:8: voice.speed: must be at most 1.5",
        "assistant.toml:16: variables.size.default: must be one of small, large",
        "assistant.toml:21: turns.threshold: is not a key here",
        'assistant.toml:24: cascade.stt.en: there is no stt named "pocketspinx" '
        '(did you mean "pocketsphinx"?)',
        'assistant.toml:30: tools.1.kind: must be one of client (did you mean "client"?)',
        "assistant.toml:34: tools.2.parameters.properties.place.type: must be one of string, "
        "number, integer, boolean, array, object, null",
        "assistant.toml:37: upstream.base_url: must start with https://, http://, wss:// or ws:// "
        "and name a server",
        'assistant.toml:42: knowledge.paths.1: "../secrets.md" must be a path inside the '
        "assistant's folder",
        "assistant.toml:46: limits.idle_minutes: must be a number",
        'assistant.toml:47: limits.locked.1: "instruction" is not a field of the session '
        '(did you mean "instructions"?)',
        "prompts/default.md:3: instructions.default: unexpected '}'",
    ]


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("= 1", "assistant.toml:2: Invalid statement"),
        ("a = [1,", "assistant.toml: Invalid value"),
        ("a = 1\na = 2\nb = 3", "assistant.toml:3: Cannot overwrite a value"),
    ],
)
def test_invalid_toml_is_reported_with_its_line_if_known(
    tmp_path: Path, toml: str, told: str
) -> None:
    assert mistake(tmp_path, toml) == told


def test_missing_file_and_missing_name_are_mistakes(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    assert mistakes(tmp_path / "none") == ["assistant.toml: there is no such file"]
    assert mistakes(write(tmp_path, "title = 'Ada'")) == ["assistant.toml: name: is required"]


def test_file_that_is_not_utf8_is_reported_with_its_line(tmp_path: Path) -> None:
    folder = write(tmp_path, "", knowledge__a_md=b"one\ntwo\nthr\xffee\n")
    (folder / "assistant.toml").write_bytes(b"name = 'ada'\ntitle = '\xe9'\n")
    assert mistakes(folder) == ["assistant.toml:2: is not UTF-8 (invalid continuation byte)"]
    (folder / "assistant.toml").write_bytes(b"name = 'ada'\n[knowledge]\npaths = ['knowledge/*']")
    assert mistakes(folder) == [
        "knowledge/a.md:3: knowledge.paths.0: is not UTF-8 (invalid start byte)"
    ]


def test_file_over_the_size_limit_is_not_read(tmp_path: Path) -> None:
    told = mistake(tmp_path, "instructions.default.file = 'big.md'", big_md="x" * 70_000)
    assert told == "big.md: instructions.default: has 70000 bytes; at most 65536 are read"


OUTSIDE = ["../other.md", "/etc/passwd", "a/../../b.md", "", "a\\\\b.md", "a\\u0000.md"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_path_outside_the_folder_is_refused(tmp_path: Path, name: str) -> None:
    told = mistake(tmp_path, f'instructions.default = {{ file = "{name}" }}')
    assert told.endswith("must be a path inside the assistant's folder")


def test_prompt_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.md"
    secret.write_text("hush")
    folder = write(tmp_path, 'name = "ada"\n', knowledge__in_md="# In")
    (folder / "knowledge/out.md").symlink_to(secret)
    (folder / "prompt.md").symlink_to(secret)
    (folder / "assistant.toml").write_text(
        'name = "ada"\ninstructions.en.file = "prompt.md"\nknowledge.paths = ["knowledge/*.md"]\n'
    )
    assert mistakes(folder) == [
        'assistant.toml:2: instructions.en: "prompt.md" leads out of the assistant\'s folder',
        'assistant.toml:3: knowledge.paths.0: "knowledge/out.md" leads out of the assistant\'s '
        "folder",
    ]


def test_link_inside_the_folder_is_read(tmp_path: Path) -> None:
    folder = write(tmp_path, 'name = "ada"', knowledge__a_md="# A")
    (folder / "knowledge/b.md").symlink_to(folder / "knowledge/a.md")
    assert len(load(folder, KNOWN).knowledge_files()) == 2


def test_knowledge_must_have_a_format_that_is_read_and_exist(tmp_path: Path) -> None:
    toml = 'knowledge.paths = ["knowledge/*", "agenda.csv", "**.md"]'
    folder = write(tmp_path, f'name = "ada"\n{toml}', knowledge__plan_json="{}", knowledge__a_md="")
    assert mistakes(folder) == [
        'assistant.toml:2: knowledge.paths.0: "knowledge/plan.json": only these formats are read: '
        ".md, .csv, .tsv, .txt, .pdf, .docx, .xlsx, .ics, .html, .htm",
        'assistant.toml:2: knowledge.paths.1: there is no file "agenda.csv" in the assistant\'s '
        "folder",
        'assistant.toml:2: knowledge.paths.2: "**.md": "**" must stand alone between slashes',
    ]


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ("roles = ['guest', 'default']", 'roles.1: "default" cannot be a role'),
        ("roles = ['en']", 'roles.0: "en" cannot be a role'),
        ("roles = ['a', 'b', 'a']", 'roles.2: "a" is there twice'),
        ("languages = []", "languages: must not be empty"),
        ("languages = 'en'", "languages: must be a list"),
        ("languages = ['en', 'it', 'en']", 'languages.2: "en" is there twice'),
        ("languages = ['en']\ntitle.it = 'Ada'", 'title.it: "it" is not among the languages en'),
        ("languages = ['en', 'it']\ntitle.it = 'Ada'", 'title: has nothing for "en"'),
        ("title = {}", 'title: has nothing for "en"'),
        ("cascade.stt = {}", 'cascade.stt: has nothing for "en"'),
        ("greeting.en = 1", "greeting.en: must be text"),
        ("greeting.en = ''", "greeting.en: must not be empty"),
        ("instructions.stuff = 'x'", 'instructions.stuff: must be "default", a role or a language'),
        ("instructions.gest.en = 'x'", 'instructions.gest.en: "gest" is not among the roles'),
        ("instructions.guest.fr = 'x'", 'instructions.guest.fr: "fr" is not among the languages'),
        ("instructions.en = { fil = 'x' }", 'instructions.en.fil: "en" is not among the roles'),
        ("instructions.en = 1", 'instructions.en: must be text or { file = "…" }'),
        ("instructions = 'x'", "instructions: must be a table"),
        ("instructions.en = '{% include \"x\" %}'", "instructions.en: a prompt cannot include"),
        ("instructions.en = '{{ citty }}'\nvariables.city = {}", 'did you mean "city"?'),
        ("instructions.en = '{{ 1 / 0 }}'", "instructions.en: cannot be rendered: division by"),
        ("instructions.en = '{{ title.__class__ }}'", "is unsafe"),
        ("variables.role = {}", "variables.role: is a name that every prompt has already"),
        ("variables.City = {}", "variables.City: must match pattern"),
        ("variables.a.type = 'txt'", "must be 'text', 'number', 'date' or 'choice' (did you mean"),
        ("variables.a.type = 'choice'", "variables.a.choices: must list at least one"),
        ("variables.a.choices = ['x']", 'variables.a.choices: needs type = "choice"'),
        ("variables.a = { type = 'date', default = 'May' }", "a.default: must be a date such as"),
        ("variables.a = { type = 'number', default = true }", "a.default: must be a number"),
        ("variables.a.default = 1", "variables.a.default: must be text"),
        ("voice.name = 'marine'", 'voice.name: espeak has no voice named "marine" (did you mean'),
        ("turns.type = 'sever_vad'", "must be one of server_vad, semantic_vad (did you"),
        ("turns.type = 5", "turns.type: must be one of server_vad, semantic_vad"),
        ("turns = 5", "turns: must be a table"),
        ("turns.eagerness = 'low'", "turns.eagerness: is not a key here"),
        ("turns = { type = 'semantic_vad', eagerness = 'hgh' }", '(did you mean "high"?)'),
        ("turns.gate_db = 41", "turns.gate_db: must be at most 40"),
        ("turns.idle_timeout_ms = 100", "turns.idle_timeout_ms: must be at least"),
        ("cascade.ttts = 'espeak'", 'cascade.ttts: is not a key here (did you mean "tts"?)'),
        ("cascade.tts.it = 'espeak'", 'cascade.tts.it: "it" is not among the languages en'),
        ("upstream.base_url = 'https://u:p@host/v1'", "base_url: must have no password"),
        ("upstream.base_url = 'https://host:port'", "base_url: must start with"),
        ("upstream.key = { env = 'A', file = 'b' }", "upstream.key: must be { env"),
        ("upstream.key = 'sk-1'", "upstream.key: must be a table"),
        ("scripted.script = 'nowhere.toml'", 'there is no file "nowhere.toml"'),
        ("scripted.script = '../script.toml'", "must be a path inside"),
        ("upstream.key = { evn = 'A' }", 'is not a key here (did you mean "env"?)'),
        ("tools = [{ name = 'a b' }]", "tools.0.name: must match pattern"),
        ("tools = [{ name = 'a' }, { name = 'a' }]", 'tools.1.name: there are two tools named "a"'),
        ("tools = [{ name = 'a', parameter = {} }]", "0.parameter: is not a key here (did you"),
        ("tools = [{ name = 'a', parameters = {} }]", 'tools.0.parameters.type: must be "object"'),
        ("tools = [{ name = 'a', parameters = { type = 'object', x = nan } }]", "no dates, times,"),
        ("limits.call_minutes = 0", "limits.call_minutes: must be greater than 0"),
        ("limits.calls_at_once = 1.5", "limits.calls_at_once: must be a whole number"),
    ],
)  # fmt: skip
def test_each_message_says_what_to_write_instead(tmp_path: Path, toml: str, told: str) -> None:
    listed = mistakes(write(tmp_path, f'name = "ada"\n{toml}'))
    assert any(told in each for each in listed), listed


def test_parameters_file_is_checked_line_by_line(tmp_path: Path) -> None:
    schema = """\
    {
      "type": "object",
      "properties": {
        "place": {
          "type": "strnig",
          "pattern": "("
        },
        "day": {"enum": []}
      },
      "required": [
        "place",
        "dya"
      ]
    }
    """
    toml = 'name = "ada"\n[[tools]]\nname = "map"\nparameters.file = "tools/map.json"\n'
    assert mistakes(write(tmp_path, toml, tools__map_json=schema)) == [
        "tools/map.json:5: tools.0.parameters: properties.place.type: must be one of string, "
        'number, integer, boolean, array, object, null (did you mean "string"?)',
        "tools/map.json:6: tools.0.parameters: properties.place.pattern: must be a regular "
        "expression",
        "tools/map.json:8: tools.0.parameters: properties.day.enum: must be a list of at least "
        "one value",
        'tools/map.json:12: tools.0.parameters: required.1: "dya" is not among the properties '
        '(did you mean "day"?)',
    ]
    assert mistakes(write(tmp_path, toml, tools__map_json='{\n"type": }')) == [
        "tools/map.json:2: tools.0.parameters: is not JSON: Expecting value"
    ]
    assert mistakes(write(tmp_path, toml, tools__map_json="[" * 60_000))[0].startswith("tools/map")


def test_prompt_that_cannot_be_rendered_is_reported_with_its_line(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        """\
        name = "ada"
        languages = ["en", "it"]
        instructions.default.file = "p.md"
        variables.day = { type = "date" }
        """,
        p_md="Hello.\n\n{% if language == 'it' %}\n{{ day.year }}\n{% endif %}\n",
    )
    assert mistakes(folder) == [
        "p.md:4: instructions.default: cannot be rendered: 'None' has no attribute 'year'"
    ]


MODELS = [model for models in SECTIONS.values() for model in models]
KEYS = sorted({"file", "en", "x"}.union(*map(written_keys, MODELS)))
NESTED = st.recursive(
    st.one_of(SCALARS, st.sampled_from(["en", "client", "text", "a.md", "../a.md", "ada"])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)  # a busy machine is not a fault
@given(st.dictionaries(st.sampled_from(KEYS), NESTED, max_size=6), st.integers(0, 999))
def test_any_file_gives_an_assistant_or_a_list_of_mistakes(
    document: dict[str, object], seed: int
) -> None:
    writer = Writer(Random(seed))
    writer.document({**document, "name": "ada"}, {}, {})
    with TemporaryDirectory() as parent:
        folder = write(Path(parent), "", a_md="Hello")
        (folder / "assistant.toml").write_text(writer.text, "utf-8", newline="")
        for each in found(folder):
            assert each.line is not None, each
            assert each.key.partition(".")[0] in document, each


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        (f"a = {'9' * 5000}", "assistant.toml: has a number of more than 4300 digits"),
        (
            f"variables.size = {{ type = 'number', default = {'9' * 400} }}",
            "assistant.toml:2: variables.size.default: must be a number of at most 300 digits",
        ),
        (f"voice.speed = {'9' * 400}", "assistant.toml:2: voice.speed: must be a number"),
    ],
)
def test_a_number_with_5000_digits_is_a_mistake(tmp_path: Path, toml: str, told: str) -> None:
    assert mistake(tmp_path, toml) == told


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ('{"type": "object", "x": %s}' % ("9" * 5000), "has a number of more than 4300 digits"),
        (
            '{"type": "object", "description": "\\ud800"}',
            "must not hold NaN, Infinity or half a surrogate pair",
        ),
    ],
)
def test_parameters_that_cannot_be_sent_to_a_client_are_mistakes(
    tmp_path: Path, schema: str, told: str
) -> None:
    toml = "tools = [{ name = 'x', parameters = { file = 'x.json' } }]"
    assert mistake(tmp_path, toml, x_json=schema) == f"x.json: tools.0.parameters: {told}"


@pytest.mark.parametrize("name", ["My Shop!", "dots..", "x" * 41])
def test_a_folder_whose_name_no_assistant_may_have_is_to_be_renamed(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for written in ("shop", name):
        (folder / "assistant.toml").write_text(
            f'name = "{written}"\nlanguages = ["en"]\n[instructions]\ndefault = "Hi."\n'
        )
        with pytest.raises(AssistantError) as caught:
            load(folder, KNOWN)
        (mistake,) = caught.value.mistakes
        assert "rename it to 1 to 40 characters of a-z, 0-9 and -" in mistake.message
