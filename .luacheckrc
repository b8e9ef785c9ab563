-- What Redis and Valkey give to a script.
std = "lua51"
read_globals = { "redis", "cjson", "cmsgpack", "bit", "struct", "KEYS", "ARGV" }
max_line_length = 100
