#!/usr/bin/env bash
# changes.sh BASE HEAD: the pointers that a pull request adds, one per line; fails when it changes what it may not.
#
# Nobody changes entries, data sets or the chain by a pull request: they are made from archives by the publication.
# A submission adds small regular files leaderboard/submissions/NAME.json, and nothing else.
set -euo pipefail
base=$1 head=$2
others=0 pointers=() problems=()
while IFS= read -r -d '' line && IFS= read -r -d '' path; do
  # :OLD-MODE NEW-MODE OLD-HASH NEW-HASH STATUS
  read -r _ mode _ object status <<< "$line"
  if [[ $path == leaderboard/submissions/* ]]; then
    if [[ $status != A ]]; then
      problems+=("$path: pointers stay as they are; submit a new version")
    elif [[ ! $path =~ ^leaderboard/submissions/[A-Za-z0-9][A-Za-z0-9._+-]{0,100}\.json$ ]]; then
      problems+=("a pointer is called leaderboard/submissions/NAME.json, of letters, digits and . _ + -")
    elif [[ $mode != 100644 || $(git cat-file -s "$object") -gt 2000 ]]; then
      problems+=("$path: not a small regular file; write {\"url\": ..., \"sha256\": ...}")
    else
      pointers+=("$path")
    fi
  elif [[ $path =~ ^leaderboard/(entries|datasets)/ || $path == leaderboard/chain.jsonl ]]; then
    problems+=("entries, data sets and the chain are not changed by pull requests; add a pointer instead")
  else
    others=$((others + 1))
  fi
done < <(git diff --raw -z --no-renames --abbrev=40 "$base...$head")
if [[ ${#pointers[@]} -gt 0 && $others -gt 0 ]]; then
  problems+=("a submission changes nothing but leaderboard/submissions/; open another pull request for the rest")
fi
if [[ ${#problems[@]} -gt 0 ]]; then
  printf '%s\n' "${problems[@]}" | LC_ALL=C tr -cd '\n -~' | sort -u >&2
  exit 1
fi
if [[ ${#pointers[@]} -gt 0 ]]; then printf '%s\n' "${pointers[@]}"; fi
