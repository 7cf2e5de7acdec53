"""Use the HTTP API of a real server with real requests."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from openai import AsyncOpenAI

from ..support.served import ASSISTANTS, Served


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def code_of(link: str) -> str:
    return link.partition("#code=")[2]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json", "/"])
def test_open_routes_need_no_credential(served: Served, path: str) -> None:
    assert httpx2.get(served.url + path).status_code == 200


OPEN = {
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("POST", "/api/sign-in"),  # takes a code
    ("POST", "/api/sign-out"),  # takes a cookie, and does nothing without one
    ("GET", "/api/widget/{assistant}"),  # the page's origin decides
    ("POST", "/api/connections"),  # counts within limits
    ("POST", "/api/widget/{assistant}/client_secrets"),  # the same
}
CLOSED = {
    ("GET", "/metrics"),
    ("GET", "/v1/models"),
    ("POST", "/v1/realtime/calls"),
    ("POST", "/v1/realtime/client_secrets"),
    ("DELETE", "/v1/realtime/client_secrets/{secret_id}"),
    ("POST", "/v1/realtime/sessions"),
    ("POST", "/v1/realtime/transcription_sessions"),
    ("POST", "/v1/realtime/translations/client_secrets"),
    ("POST", "/v1/realtime/translations/calls"),
    *(
        ("POST", f"/v1/realtime/calls/{{call_id}}/{verb}")
        for verb in ("accept", "reject", "refer", "hangup")
    ),
    ("GET", "/api/assistants"),
    ("GET", "/api/assistants/{name}"),
    ("GET", "/api/assistants/{name}/variables"),
    ("PATCH", "/api/assistants/{name}/variables"),
    ("GET", "/api/assistants/{name}/voices"),
    ("GET", "/api/assistants/{name}/voices/{voice}/sample"),
    ("GET", "/api/conversations"),
    ("GET", "/api/conversations/{conversation_id}"),
    ("PATCH", "/api/conversations/{conversation_id}"),
    ("DELETE", "/api/conversations/{conversation_id}"),
    ("GET", "/api/conversations/{conversation_id}/responses"),
    ("GET", "/api/conversations/{conversation_id}/tools"),
    ("GET", "/api/audit"),
    ("GET", "/api/items/{item_id}/sources"),
    ("GET", "/api/questions"),
    ("GET", "/api/knowledge/{assistant}"),
    ("GET", "/api/knowledge/{assistant}/{path}"),
    ("PUT", "/api/knowledge/{assistant}/{path}"),
    ("DELETE", "/api/knowledge/{assistant}/{path}"),
    ("GET", "/api/calls"),
    ("GET", "/api/calls/{call_id}"),
    ("PATCH", "/api/calls/{call_id}"),
    ("POST", "/api/calls/{call_id}/feedback"),
    ("GET", "/api/calls/{call_id}/events"),
    ("GET", "/api/calls/{call_id}/tools"),
    ("GET", "/api/events"),
    ("GET", "/api/webhooks"),
    ("POST", "/api/tools/{assistant}/{name}"),
    ("GET", "/api/approvals"),
    ("GET", "/api/approvals/{run_id}"),
    ("POST", "/api/approvals/{run_id}"),
}


@pytest.mark.parametrize(("method", "path"), sorted(CLOSED))
@pytest.mark.parametrize("credential", [None, "vv_wrong", "ek_wrong", "sk-of-somebody-else"])
def test_every_other_route_needs_a_credential(
    served: Served, method: str, path: str, credential: str | None
) -> None:
    headers = bearer(credential) if credential else {}
    answer = httpx2.request(method, served.url + path, headers=headers)
    assert answer.status_code == 401
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert credential is None or credential not in answer.text


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/realtime/nothing", "/x/y", "/x"])
def test_P16_an_unknown_path_gets_404_by_every_method(
    served: Served, method: str, path: str
) -> None:
    answer = httpx2.request(method, served.url + path)
    assert answer.status_code == 404
    assert "allow" not in answer.headers
    if method != "HEAD":
        assert answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/v1/models", "GET"),
        ("GET", "/v1/realtime/client_secrets", "POST"),
        ("PUT", "/openai/v1/realtime/client_secrets/cs_1", "DELETE"),
        ("GET", "/v1/realtime/calls", "POST"),
    ],
)
def test_P16_a_known_path_gets_405_with_its_methods(
    served: Served, method: str, path: str, allowed: str
) -> None:
    answer = httpx2.request(method, served.url + path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert answer.json()["error"]["code"] == "method_not_allowed"


UNSUPPORTED = {
    "/v1/realtime/translations/calls": "translation_not_supported",
    "/v1/realtime/translations/client_secrets": "translation_not_supported",
}


@pytest.mark.parametrize("path", UNSUPPORTED)
def test_P16_an_unsupported_path_is_refused_by_name_and_a_page_can_read_it(
    served: Served, key: str, path: str
) -> None:
    page = {"Origin": "https://app.example.org"}
    asked = "authorization, content-type, x-openai-agents-sdk"
    preflight = httpx2.options(
        served.url + path,
        headers=page
        | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": asked},
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert preflight.headers["access-control-allow-headers"] == asked
    offer = {"Content-Type": "application/sdp"}
    answer = httpx2.post(served.url + path, content=b"v=0", headers=bearer(key) | page | offer)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, UNSUPPORTED[path])
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers


def test_P16_other_paths_are_readable_for_allowed_origins_only(served: Served, key: str) -> None:
    headers = bearer(key) | {"Origin": "https://app.example.org"}
    answer = httpx2.get(f"{served.url}/v1/models", headers=headers)
    assert "access-control-allow-origin" not in answer.headers


def test_every_route_is_known_to_be_open_or_closed(served: Served) -> None:
    paths = httpx2.get(f"{served.url}/openapi.json").json()["paths"]
    assert {(m.upper(), path) for path, verbs in paths.items() for m in verbs} == OPEN | CLOSED


def test_models_are_the_assistants(served: Served, key: str) -> None:
    data = httpx2.get(f"{served.url}/v1/models", headers=bearer(key)).json()
    assert {"charlotte", "echo"} <= {model["id"] for model in data["data"]}


def test_a_key_for_one_assistant_sees_that_one(served: Served) -> None:
    bound = served.key("--assistant", "echo")
    data = httpx2.get(f"{served.url}/api/assistants", headers=bearer(bound)).json()
    assert [one["name"] for one in data["data"]] == ["echo"]
    other = httpx2.get(f"{served.url}/api/assistants/charlotte", headers=bearer(bound))
    assert other.status_code == 404
    assert other.json()["error"]["message"].endswith("named 'charlotte'. There are: echo.")


def test_the_error_for_an_unknown_assistant_lists_the_allowed_ones(
    served: Served, key: str
) -> None:
    mint = f"{served.url}/v1/realtime/client_secrets"
    wish = {"vivavoce": {"assistant": "nobody"}}
    for answer in (
        httpx2.get(f"{served.url}/api/assistants/nobody", headers=bearer(key)),
        httpx2.post(mint, json=wish, headers=bearer(key)),
    ):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (404, "assistant_not_found")
        assert f"There are: {ASSISTANTS}" in error["message"]


def test_a_key_for_one_assistant_cannot_find_out_about_others(served: Served) -> None:
    """An existing assistant is refused with the same body as an unknown one."""
    bound = bearer(served.key("--assistant", "echo"))
    for path in ("client_secrets", "sessions", "transcription_sessions"):
        answers = set()
        for assistant in ("charlotte", "nobody"):
            for more in ({}, {"role": "king"}, {"language": "xx"}, {"variables": {"no": "x"}}):
                wish = {"vivavoce": {"assistant": assistant} | more}
                url = f"{served.url}/v1/realtime/{path}"
                answer = httpx2.post(url, json=wish, headers=bound)
                answers.add((answer.status_code, answer.text))
        ((status, text),) = answers
        assert status == 403
        assert "charlotte" not in text


def test_a_browser_never_sees_instructions(served: Served, key: str) -> None:
    text = httpx2.get(f"{served.url}/api/assistants", headers=bearer(key)).text
    assert "instructions" not in text
    assert "Say it again." not in text


def test_an_assistants_texts_are_listed_in_its_languages(served: Served, key: str) -> None:
    about = httpx2.get(f"{served.url}/api/assistants/charlotte", headers=bearer(key)).json()
    for text in (about["description"], *about["notes"]):
        assert set(text) == {"en", "it", "es"}
        assert len(set(text.values())) == 3
    assert "English only" in about["notes"][-1]["en"]


def test_a_link_signs_one_browser_in_once(served: Served) -> None:
    link = served.cli("link")
    with httpx2.Client(base_url=served.url) as browser:
        answer = browser.post("/api/sign-in", json={"code": code_of(link)})
        assert answer.status_code == 204
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert browser.get("/api/assistants").status_code == 200
        minted = browser.post("/v1/realtime/client_secrets", json={})
        assert minted.json()["value"].startswith("ek_")
        assert browser.get("/api/calls").status_code == 401  # a cookie is not a key
        copied = dict(browser.cookies)
        assert browser.post("/api/sign-out").status_code == 204
    again = httpx2.post(f"{served.url}/api/sign-in", json={"code": code_of(link)})
    assert again.status_code == 401
    assert "vivavoce link" in again.json()["error"]["message"]
    assert httpx2.get(f"{served.url}/api/assistants", cookies=copied).status_code == 401


def test_a_missing_field_has_the_protocols_error(served: Served) -> None:
    answer = httpx2.post(f"{served.url}/api/sign-in", json={})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "missing_required_parameter")
    assert (error["message"], error["param"]) == ("Missing required parameter: 'code'.", "code")


def test_another_page_cannot_use_the_cookie(served: Served) -> None:
    with httpx2.Client(base_url=served.url) as browser:
        browser.post("/api/sign-in", json={"code": code_of(served.cli("link"))})
        foreign = {"Origin": "https://evil.example"}
        answer = browser.post("/v1/realtime/client_secrets", json={}, headers=foreign)
        assert answer.status_code == 403
        ours = browser.post("/v1/realtime/client_secrets", json={}, headers={"Origin": served.url})
        assert ours.status_code == 200


def test_W4_a_page_behind_a_proxy_reads_the_setting_that_is_missing(served: Served) -> None:
    with httpx2.Client(base_url=served.url) as browser:
        browser.post("/api/sign-in", json={"code": code_of(served.cli("link"))})
        headers = {"Origin": "https://voice.example.org"}
        answer = browser.post("/v1/realtime/client_secrets", json={}, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (403, "origin_not_allowed")
    assert 'server.public_url = "https://voice.example.org"' in error["message"]
    assert '"origin": "https://voice.example.org"' in served.log.read_text()


def test_N6_one_assistant_is_the_default_of_the_settings(served: Served, key: str) -> None:
    data = httpx2.get(f"{served.url}/api/assistants", headers=bearer(key)).json()["data"]
    assert [one["name"] for one in data if one["default"]] == ["charlotte"]


def test_N13_assistants_tell_which_languages_they_hear(served: Served, key: str) -> None:
    data = httpx2.get(f"{served.url}/api/assistants", headers=bearer(key)).json()["data"]
    heard = {one["name"]: (one["languages"], one["hears"]) for one in data}
    assert heard["charlotte"] == (["en", "it", "es"], ["en"])
    assert heard["echo"] == (["en"], ["en"])


def test_a_client_secret_has_the_protocols_shape(served: Served, key: str) -> None:
    body = {
        "expires_after": {"anchor": "created_at", "seconds": 60},
        "session": {"type": "realtime", "audio": {"output": {"voice": "cedar"}}},
        "vivavoce": {"assistant": "echo", "user": "ada"},
    }
    answer = httpx2.post(
        f"{served.url}/v1/realtime/client_secrets", json=body, headers=bearer(key)
    ).json()
    assert answer["value"].startswith("ek_")
    left = datetime.fromtimestamp(answer["expires_at"], UTC) - datetime.now(UTC)
    assert timedelta(seconds=50) < left <= timedelta(seconds=60)
    session = answer["session"]
    assert (session["expires_at"], session["object"]) == (0, "realtime.session")
    assert session["audio"]["output"]["voice"] == "cedar"
    assert session["id"].startswith("sess_")


def test_X8_the_session_of_a_client_secret_is_not_larger_than_calls_need(
    served: Served, key: str
) -> None:
    session = {"type": "realtime", "instructions": "x" * 300_000}
    answer = httpx2.post(
        f"{served.url}/v1/realtime/client_secrets", json={"session": session}, headers=bearer(key)
    )
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, "invalid_value", "session")


def test_X8_a_user_has_so_many_valid_secrets_and_a_revoked_one_makes_room(
    served: Served, key: str
) -> None:
    url = f"{served.url}/v1/realtime/client_secrets"
    session = {"type": "realtime", "instructions": "x" * 250_000}
    body = {"session": session, "vivavoce": {"user": "collector"}}
    with httpx2.Client(headers=bearer(key), timeout=30) as http:
        answers = [http.post(url, json=body) for _ in range(34)]
        assert [answer.status_code for answer in answers] == [200] * 33 + [429]
        assert answers[-1].headers["Retry-After"] == "60"
        secret_id = answers[0].json()["vivavoce"]["id"]
        assert http.delete(f"{url}/{secret_id}").status_code == 204
        assert http.post(url, json=body).status_code == 200


def test_the_official_client_mints_a_client_secret(served: Served, key: str) -> None:
    async def story() -> None:
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key=key) as client:
            secret = await client.realtime.client_secrets.create(session={"type": "realtime"})
            assert secret.value.startswith("ek_")

    asyncio.run(story())


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"expires_after": {"seconds": 5}}, "invalid_value", "expires_after.seconds"),
        ({"session": {"type": "realtime", "colour": 1}}, "unknown_parameter", "session.colour"),
        ({"session": {"type": "realtime", "audio": {"output": {"speed": 9}}}}, "invalid_value",
         "session.audio.output.speed"),
        ({"vivavoce": {"assistant": "nobody"}}, "assistant_not_found", "assistant"),
        ({"vivavoce": {"role": "king"}}, "invalid_value", "role"),
        ({"vivavoce": {"variables": {"no": "x"}}}, "unknown_parameter", "variables.no"),
        ({"vivavoce": {"conversation_id": "conv_no"}}, "conversation_not_found",
         "conversation_id"),
        ({"colour": 1}, "unknown_parameter", "colour"),
    ],
)  # fmt: skip
def test_a_secret_that_cannot_be_minted_has_an_exact_error(
    served: Served, key: str, body: dict[str, object], code: str, param: str
) -> None:
    answer = httpx2.post(f"{served.url}/v1/realtime/client_secrets", json=body, headers=bearer(key))
    assert 400 <= answer.status_code < 500
    assert (answer.json()["error"]["code"], answer.json()["error"]["param"]) == (code, param)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b'"x"', b"[" * 100_000])
def test_an_invalid_body_is_an_invalid_request(served: Served, key: str, body: bytes) -> None:
    headers = bearer(key) | {"Content-Type": "application/json"}
    answer = httpx2.post(f"{served.url}/v1/realtime/client_secrets", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_a_body_declared_too_large_is_not_read(served: Served, key: str) -> None:
    answer = httpx2.post(
        f"{served.url}/v1/realtime/client_secrets", content=b" " * 2_000_000, headers=bearer(key)
    )
    assert answer.status_code == 413


def test_a_huge_body_of_unknown_length_is_not_read_to_its_end(served: Served, key: str) -> None:
    pieces = (b" " * 65_536 for _ in range(40))
    answer = httpx2.post(
        f"{served.url}/v1/realtime/client_secrets", content=pieces, headers=bearer(key)
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


def test_the_page_loads_nothing_from_other_servers(served: Served) -> None:
    headers = httpx2.get(served.url).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


def test_an_unknown_path_has_an_error_body(served: Served) -> None:
    answer = httpx2.get(f"{served.url}/v1/nothing")
    assert answer.status_code == 404
    assert json.loads(answer.content)["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    ("body", "code", "param", "message"),
    [
        ({"expires_after": 60}, "invalid_type", "expires_after",
         "Invalid type for 'expires_after': expected object, but got integer."),
        ({"expires_after": {"seconds": "600"}}, "invalid_type", "expires_after.seconds",
         "Invalid type for 'expires_after.seconds': expected integer, but got string."),
        ({"expires_after": {"seconds": True}}, "invalid_type", "expires_after.seconds",
         "Invalid type for 'expires_after.seconds': expected integer, but got boolean."),
        ({"expires_after": {"seconds": 9}}, "invalid_value", "expires_after.seconds",
         "Invalid value for 'expires_after.seconds': expected at least 10."),
        ({"expires_after": {"anchor": "now"}}, "invalid_value", "expires_after.anchor",
         "Invalid value: 'now'. Supported values are: 'created_at'."),
        ({"vivavoce": {"variables": {"a": 1}}}, "invalid_type", "vivavoce.variables.a",
         "Invalid type for 'vivavoce.variables.a': expected string, but got integer."),
        ({"session": []}, "invalid_type", "session",
         "Invalid type for 'session': expected object, but got array."),
        ([], "invalid_type", None, "Invalid type for 'body': expected object, but got array."),
        (b"{bad", "invalid_value", None, "The body is not valid JSON: see character 1."),
        (b'{"vivavoce": {"user": "\\ud800"}}', "invalid_value", "vivavoce.user",
         "Invalid value for 'vivavoce.user': half of a surrogate pair is not a character."),
    ],
)  # fmt: skip
def test_P10_a_body_is_refused_in_the_protocols_words(
    served: Served, key: str, body: object, code: str, param: str | None, message: str
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = bearer(key) | {"Content-Type": "application/json"}
    answer = httpx2.post(
        f"{served.url}/v1/realtime/client_secrets", content=content, headers=headers
    )
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["param"], error["message"]) == (code, param, message)
