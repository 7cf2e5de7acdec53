from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vivavoce.access.request_credentials import (
    extract_credential,
    origin_allowed,
    origin_text,
    parse_subprotocols,
    select_subprotocol,
    speaks_beta,
)

KEY = "vv_abc"


@pytest.mark.parametrize(
    "header", ["Bearer vv_abc", "bearer vv_abc", "  BEARER   vv_abc  ", "Bearer\tvv_abc"]
)
def test_programs_send_a_bearer_token(header: str) -> None:
    assert extract_credential(authorization=header) == KEY


def test_an_azure_client_sends_its_key_in_the_api_key_header() -> None:
    assert extract_credential(api_key=" vv_abc ") == KEY


def test_a_browser_sends_its_credential_as_a_subprotocol() -> None:
    names = parse_subprotocols("realtime, openai-insecure-api-key.vv_abc,openai-beta.realtime-v1")
    assert names == ("realtime", "openai-insecure-api-key.vv_abc", "openai-beta.realtime-v1")
    assert extract_credential(subprotocols=names) == KEY
    assert select_subprotocol(names) == "realtime"


def test_the_subprotocol_with_the_key_is_never_selected() -> None:
    assert select_subprotocol(parse_subprotocols("openai-insecure-api-key.vv_abc")) is None
    assert select_subprotocol(parse_subprotocols(None)) is None
    assert select_subprotocol(parse_subprotocols("graphql-ws")) is None


def test_the_authorization_header_comes_before_other_credentials() -> None:
    names = ["openai-insecure-api-key.c"]
    assert extract_credential(authorization="Bearer a", api_key="b", subprotocols=names) == "a"
    assert extract_credential(api_key="b", subprotocols=names) == "b"


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dmk6dm9jZQ==", "vv_abc"])
def test_an_authorization_that_is_not_bearer_is_ignored(header: str | None) -> None:
    assert extract_credential(authorization=header) is None
    assert extract_credential(authorization=header, api_key=KEY) == KEY


def test_an_empty_key_is_ignored() -> None:
    assert extract_credential(api_key="  ", subprotocols=["openai-insecure-api-key."]) is None
    assert parse_subprotocols(" , ,,") == ()


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_any_header_is_parsed_without_an_exception(
    authorization: str, api_key: str, subprotocols: str
) -> None:
    extract_credential(
        authorization=authorization, api_key=api_key, subprotocols=parse_subprotocols(subprotocols)
    )
    origin_allowed(authorization, host=api_key, secure=True, allowed=[subprotocols])


def test_the_servers_own_origin_is_allowed() -> None:
    assert origin_allowed("http://localhost:8080", host="localhost:8080", secure=False)
    assert origin_allowed("https://voce.example", host="voce.example", secure=True)
    assert origin_allowed("https://voce.example", host="voce.example:443", secure=True)
    assert origin_allowed("https://VOCE.example", host="voce.EXAMPLE", secure=True)
    assert origin_allowed("http://[::1]:8080", host="[::1]:8080", secure=False)


@pytest.mark.parametrize(
    "origin",
    [
        "http://voce.example",  # not the same scheme
        "https://voce.example:8443",
        "https://evil.example",
        "https://voce.example.evil.example",
        "https://voce.example@evil.example",
        "https://evil.example/https://voce.example",
        "https://evil.example#voce.example",
        "null",
        "",
        "file://",
        "https://",
        "https://voce.example:99999",
        "https://[::1",
    ],
)
def test_another_origin_is_refused(origin: str) -> None:
    assert not origin_allowed(origin, host="voce.example", secure=True)
    assert not origin_allowed(
        origin, host="voce.example", secure=True, allowed=["https://a.example"]
    )
    assert not origin_allowed(origin, host=None, secure=True)


def test_a_listed_origin_is_allowed() -> None:
    allowed = ["https://a.example", "http://b.example:3000/"]
    for origin in ("https://a.example", "https://a.example:443", "http://b.example:3000"):
        assert origin_allowed(origin, host="voce.example", secure=True, allowed=allowed)
    assert not origin_allowed("http://a.example", host="voce.example", secure=True, allowed=allowed)
    assert origin_allowed("https://any.example", host="voce.example", secure=True, allowed=["*"])
    assert not origin_allowed("null", host="voce.example", secure=True, allowed=["*", "null"])


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        ("https://voice.example.org", "https://voice.example.org"),
        ("https://VOICE.example.org:443", "https://voice.example.org"),
        ("https://voice.example.org:8443", "https://voice.example.org:8443"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://xn--caff-8oa.example", "http://xn--caff-8oa.example"),
        (None, None),
        ("null", None),
        ("file:///etc/passwd", None),
        ('https://a".example', None),
        ("https://a\x1b[31m.example", None),
        ("https://a b.example", None),
        ("https://a\u202e.example", None),
        ("https://" + "a" * 300, None),
        ("https://a.example:99999", None),
    ],
)
def test_W4_only_an_origin_of_a_browser_is_written_into_messages(
    origin: str | None, text: str | None
) -> None:
    assert origin_text(origin) == text


def test_a_request_without_origin_is_allowed() -> None:
    assert origin_allowed(None, host="voce.example", secure=True)


@pytest.mark.parametrize(
    ("header", "subprotocols", "beta"),
    [
        (None, (), False),
        ("realtime=v1", (), True),
        ("assistants=v2,realtime=v1", (), True),
        ("assistants=v2", ("realtime",), False),
        (None, ("realtime", "openai-beta.realtime-v1"), True),
    ],
)
def test_a_client_opts_in_to_the_beta_by_header_or_subprotocol(
    header: str | None, subprotocols: tuple[str, ...], beta: bool
) -> None:
    assert speaks_beta(header, subprotocols) is beta
