# Functions for .ci/test and .ci/run. Sourced, not run.

cache="$PWD/.ci/cache"
mkdir -p "$cache"
servers=()

say() { printf '\n== %s\n' "$*" >&2; }

die() {
	printf 'ci: %s\n' "$*" >&2
	exit 1
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# need_command COMMAND PACKAGE installs a Debian package where the command is missing.
need_command() {
	if command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]; then return; fi
	command -v apt-get >/dev/null || die "$1 is missing: install it (Debian package: $2)"
	if [ -z "${apt_updated:-}" ]; then
		as_root apt-get update -qq >&2
		apt_updated=1
	fi
	# RUNLEVEL=1 keeps the package from starting its own service.
	as_root env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$2" >&2 ||
		die "$2 could not be installed"
}

# need_tool NAME PACKAGE@VERSION builds a Go program once and puts it on PATH.
need_tool() {
	local version="${2##*@}" dir
	dir="$cache/bin/$1-$version"
	if [ ! -x "$dir/$1" ]; then
		GOBIN="$dir" GOFLAGS= go install "$2" || die "$2 could not be built"
	fi
	PATH="$dir:$PATH"
}

# stop_servers ends what start_* started, by process id, and waits for it.
stop_servers() {
	for pid in ${servers[@]+"${servers[@]}"}; do kill "$pid" 2>/dev/null || true; done
	for pid in ${servers[@]+"${servers[@]}"}; do wait "$pid" 2>/dev/null || true; done
	servers=()
}

free_port() {
	node -e 'const s=require("net").createServer().listen(0,"127.0.0.1",()=>{console.log(s.address().port);s.close()})'
}

# wait_for FILE PATTERN PID waits until a line of FILE matches, and prints it.
wait_for() {
	for _ in $(seq 1 600); do
		if grep -m1 -E "$2" "$1" 2>/dev/null; then return 0; fi
		kill -0 "$3" 2>/dev/null || break
		sleep 0.1
	done
	cat "$1" >&2
	return 1
}

# start_mosquitto DIR starts an MQTT broker by other hands; tests find it in
# IOTOPS_TEST_MOSQUITTO (host:port, anonymous, plain).
start_mosquitto() {
	local port dir="$1/mosquitto"
	port=$(free_port)
	mkdir -p "$dir"
	cat >"$dir/mosquitto.conf" <<-CONF
		listener $port 127.0.0.1
		allow_anonymous true
		persistence false
		max_queued_messages 0
		log_dest stderr
	CONF
	PATH="$PATH:/usr/sbin" mosquitto -c "$dir/mosquitto.conf" 2>"$dir/log" &
	local pid=$!
	servers+=("$pid")
	wait_for "$dir/log" 'running' "$pid" >/dev/null || die "mosquitto did not start"
	export IOTOPS_TEST_MOSQUITTO="127.0.0.1:$port"
}

# start_opcua DIR starts an OPC UA server by other hands (node-opcua); tests
# find it in IOTOPS_TEST_OPCUA (opc.tcp://…).
start_opcua() {
	local dir="$1/opcua" line
	mkdir -p "$dir"
	.ci/servers/opcua/start.sh --pki "$dir/pki" --port 0 >"$dir/log" 2>&1 &
	local pid=$!
	servers+=("$pid")
	line=$(wait_for "$dir/log" '^READY ' "$pid") || die "the OPC UA test server did not start"
	export IOTOPS_TEST_OPCUA="${line#READY }"
}
