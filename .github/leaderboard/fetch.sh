#!/usr/bin/env bash
# fetch.sh POINTER OUT: download the archive that a pointer names; fails in one line when that is not what it says.
set -euo pipefail
pointer=$1 out=$2
fields='if type == "object" and keys == ["sha256", "url"] then . else error("not {url, sha256}") end'
address='.url | strings | select(test("^https://[A-Za-z0-9][^\\s\"<>^`{|}\\\\]{1,500}\\z"))'
hash='.sha256 | strings | select(test("^[0-9a-f]{64}\\z"))'
url="$(jq -er "$fields | $address" "$pointer")" || { echo "the pointer's url is not an https address" >&2; exit 1; }
sum="$(jq -er "$fields | $hash" "$pointer")" || { echo "the pointer's sha256 is not 64 hexadecimal digits" >&2; exit 1; }
# 1 GiB, also when the server does not say how much there is.
ulimit -f 1048576
curl --globoff --fail --silent --show-error --location --max-redirs 5 --proto '=https' --proto-redir '=https' \
  --max-filesize 1073741824 --max-time 900 --output "$out" --url "$url"
printf '%s  %s\n' "$sum" "$out" | sha256sum --check --quiet --status - ||
  { echo "the archive is not the one whose sha256 the pointer names" >&2; exit 1; }
