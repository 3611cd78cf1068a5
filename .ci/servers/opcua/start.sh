#!/usr/bin/env bash
# Installs the OPC UA test server once, into a folder that git ignores, and runs it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home="$here/../../cache/opcua"
if ! cmp -s "$here/package-lock.json" "$home/package-lock.json" || [ ! -d "$home/node_modules" ]; then
	mkdir -p "$home"
	cp "$here/package.json" "$home/"
	cp "$here/package-lock.json" "$home/package-lock.json"
	(cd "$home" && npm ci --silent --no-audit --no-fund >&2) || { rm -rf "$home/node_modules"; exit 1; }
fi
cp "$here/server.js" "$home/server.js"
exec node "$home/server.js" "$@"
