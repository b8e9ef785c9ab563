"""Every script keeps the contract of its header, and the check finds planted faults."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.lua_contract import faults

SCRIPTS = sorted((Path(__file__).parents[2] / "lua").rglob("*.lua"))
SOUND = """#!lua
--[[
sound: keep a value that was not there.

KEYS  1 target   string
      2 written  and on: strings
ARGV  1 value   what to keep
      2 values  to the end: more of them
Returns  {"ok", count}
         {"known", value}
More may be said here.
]]
local target, value = KEYS[1], ARGV[1]

local function others()
  local found = {}
  for i = 2, #KEYS do
    found[#found + 1] = { 'SET', KEYS[i], ARGV[i] }
  end
  return found
end
local current = redis.call('GET', target)
if current then
  return { 'known', current }
end
if #KEYS ~= #ARGV then
  return redis.error_reply('BADARG as many values as keys')
end
local reply = { 'ok' } -- 'not a "tag"
local writes = {}
for i = 2, #KEYS do
  local key = KEYS[i]
  writes[#writes + 1] = { 'SET', key, ARGV[i] }
end
redis.call('SET', target, value)
for _, write in ipairs(writes) do
  redis.call(write[1], write[2], write[3])
end
reply[2] = #others()
return reply
"""


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_script_keeps_its_contract(path: Path) -> None:
    assert faults(path.stem, path.read_text(encoding="utf-8")) == []


def test_scripts_are_found() -> None:
    assert {"append", "apply", "lease", "open"} <= {path.stem for path in SCRIPTS}


def test_a_sound_script_has_no_faults() -> None:
    assert faults("sound", SOUND) == []


@pytest.mark.parametrize(
    ("sound", "planted", "said"),
    [
        ("#!lua\n", "", "begin with `#!lua`"),
        ("#!lua\n", "#!lua flags=allow-cross-slot-keys\n", "begin with `#!lua`"),
        ("sound: keep", "unsound: keep", "the header names unsound, the file sound"),
        ("was not there.", "was not there", "begin with"),
        ("KEYS  1", "KEYS  2", "not from 1 without gaps"),
        ("Returns", "Gives", "no section Returns"),
        ("KEYS  1 target   string\n      2 written  and on: strings\n", "", "no section KEYS"),
        ("2 written  and on: strings", "2 written  a string", "computed number"),
        ("KEYS[1], ARGV[1]", "KEYS[3], ARGV[1]", "[3] are used and not declared"),
        ("{ 'ok' }", "{ 'fine' }", "['fine'] are returned and not documented"),
        ("{ 'ok' }", "{ 'fine' }", "['ok'] are documented and never returned"),
        ("{ 'known', current }", "{ current }", "begins with its tag"),
        ("{ 'known', current }", "current", "begins with its tag"),
        ("'BADARG as", "'as", "a code in capitals"),
        ("redis.call('GET', target)", "redis.call('GET', 'es:x')", "does not come from KEYS"),
        (
            "redis.call('GET', target)",
            "redis.call('GET', target .. ':x')",
            "its key is target .. ':x', which does not come from KEYS alone",
        ),
        ("redis.call('GET', target)", "redis.call('GET', KEYS[1] .. ':x')", "does not come from"),
        ("redis.call('GET', target)", "redis.call('GET', ARGV[1])", "does not come from KEYS"),
        ("redis.call('GET', target)", "redis.pcall('GET')", "its key is nothing"),
        ("local current", "target = target .. ':x'\nlocal current", "does not come from KEYS"),
        ("local key = KEYS[i]", "local key = ARGV[i]", "its key is write [ 2 ]"),
        ("{ 'SET', key, ARGV[i] }", "{ 'SET', 'k' .. i, ARGV[i] }", "its key is write [ 2 ]"),
        ("redis.call('GET', target)", "redis.call('KEYS', target)", "KEYS is not among"),
        ("redis.call('SET', target, value)", "redis.call('DEL', target)", "DEL is not among"),
        ("target, value)", "target, cjson.encode(value))", "cjson"),
    ],
)
def test_a_planted_fault_is_found(sound: str, planted: str, said: str) -> None:
    assert sound in SOUND
    found = faults("sound", SOUND.replace(sound, planted, 1))
    assert any(said in fault for fault in found), found
