"""Secrets are masked by the name before them and by their look; what only looks near stays."""

from __future__ import annotations

import pytest

from eventstore.redaction import Redactor, names_secret

SECRETS = {
    "password=hunter2 and more": "hunter2",
    "PASSWORD: hunter2": "hunter2",
    '{"api_key": "hunter2", "n": 1}': "hunter2",
    "{'api-key': 'hunter 2 !', 'n': 1}": "hunter 2",
    r'"{\"apikey\": \"hunter2\"}"': "hunter2",
    "access_token=hunter2&x=1": "hunter2",
    "Authorization: Basic aHVudGVyMg==": "aHVudGVyMg",
    "'Authorization': 'Bearer hunter2hunter2'": "hunter2",
    "sent Bearer hunter2hunter2 to it": "hunter2",
    "Set-Cookie: sid=hunter2; Path=/": "hunter2",
    "Incorrect API key provided: sk-proj-hunter2_A.": "hunter2",
    "sk-hunter2": "hunter2",
    r"ValueError('wrong key:\nsk-hunter2')": "hunter2",
    "sk_live_hunter2hunter2": "hunter2",
    "ghp_" + "a1B2" * 9: "a1B2a1B2",
    "AKIAIOSFODNN7EXAMPLE": "IOSFODNN7",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl": "eyJzdWIi",
    "redis://:hunter2@db.example:6379/0": "hunter2",
    "postgresql+psycopg://admin:hun@ter2@db/x": "ter2",
    "at https://hunter2@example.org/x": "hunter2",
    "-----BEGIN RSA PRIVATE KEY-----\nhunter2\n-----END RSA PRIVATE KEY-----": "hunter2",
    "-----BEGIN PRIVATE KEY-----\nhunter2, and no end": "hunter2",
}
HARMLESS = [
    "a plain line: 3 of 5 done, 100% sure, see docs/settings.md",
    "prompt_tokens=12 completion_tokens: 5 max_tokens=100",
    "ask-me task-list risk-free",
    "https://example.org/path?q=a@b.example",
    "mail to someone@example.org",
    "tokenizer: gpt2, keyboard: us, author: me",
    "the bearer was late",
]


@pytest.mark.parametrize("text", SECRETS)
def test_a_secret_is_masked(text: str) -> None:
    clean = Redactor().text(text)
    assert SECRETS[text] not in clean
    assert "**********" in clean


@pytest.mark.parametrize("text", SECRETS)
def test_what_is_clean_stays_as_it_is(text: str) -> None:
    clean = Redactor().text(text)
    assert Redactor().text(clean) == clean


@pytest.mark.parametrize("text", HARMLESS)
def test_what_holds_no_secret_stays_as_it_is(text: str) -> None:
    assert Redactor().text(text) == text


def test_the_rest_of_a_text_stays() -> None:
    clean = Redactor().text("connect redis://u:p@host:6379/1 failed; api_key=abc, retry 3")
    assert clean == ("connect redis://**********@host:6379/1 failed; api_key=**********, retry 3")


def test_known_secrets_are_masked_wherever_they_stand() -> None:
    redactor = Redactor(["correct horse", "correct horse battery", "abc", ""])
    assert redactor.text("said: correct horse battery staple") == "said: ********** staple"
    assert redactor.text("my abc") == "my abc", "short ones would be found in common words"


@pytest.mark.parametrize(
    "key",
    [
        "password", "PASSWORD", "db_password", "passwordHash", "api_key", "apiKey", "APIKey",
        "X-Api-Key", "OPENAI_API_KEY", "api_keys", "aws_secret_access_key", "secret",
        "client_secret", "token", "accessToken", "x-auth-token", "refresh_tokens", "Authorization",
        "proxy-authorization", "cookie", "Set-Cookie", "credentials", "private_key", "auth", "jwt",
    ],
)  # fmt: skip
def test_a_key_names_a_secret(key: str) -> None:
    assert names_secret(key)


@pytest.mark.parametrize(
    "key",
    [
        "", "!", "key", "keys", "public_key", "primary_key", "prompt_tokens", "total_tokens",
        "tokens", "token_count", "max_token_length", "tokenizer", "author", "authenticated",
        "monkey", "passed", "cookie_policy", "session_id", "message",
    ],
)  # fmt: skip
def test_a_key_names_no_secret(key: str) -> None:
    assert not names_secret(key)
