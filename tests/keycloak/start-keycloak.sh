#!/usr/bin/env bash
# Starts one real Keycloak for integration tests, from Maven Central; needs mvn, unzip and a JRE 17 or later.
# Usage: start-keycloak.sh REALM.json [PORT=8180] [WORKDIR]   (default: hms-backends/keycloak in the cache folder; for root in /var/tmp)
# Runs in the foreground and prints "READY http://127.0.0.1:PORT". Its data are in a fresh folder, removed in the end.
set -euo pipefail
realm=$1 port=${2:-8180}
if [ "$(id -u)" = 0 ]; then cache=/var/tmp; else cache=${XDG_CACHE_HOME:-$HOME/.cache}; fi
work=${3:-$cache/hms-backends/keycloak}
version=${KEYCLOAK_VERSION:-26.4.7}
home=$work/keycloak-$version

mkdir -p "$work"
exec 9>"$work/lock"
flock 9
if [ ! -e "$home/built" ]; then
  mvn -q dependency:copy -Dartifact="org.keycloak:keycloak-quarkus-dist:$version:zip" -DoutputDirectory="$work/download" -Dmdep.useBaseVersion=true >&2 ||
    { echo "ABSENT"; exit 1; }
  unzip -q -o "$work/download/keycloak-quarkus-dist-$version.zip" -d "$work"
  "$home/bin/kc.sh" build --db=dev-mem >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
  rm -rf "$work/download"
  touch "$home/built"
fi
flock -u 9

run=$(mktemp -d)
trap 'kill "$keycloak" 2>/dev/null; rm -rf "$run"' EXIT
trap 'exit 0' TERM INT
cp -r "$home/." "$run"   # each run has a data folder of its own
mkdir -p "$run/data/import"
cp "$realm" "$run/data/import/hospital-realm.json"
export JAVA_OPTS_KC_HEAP="-Xms128m -Xmx512m"
"$run/bin/kc.sh" start --optimized --import-realm --http-enabled=true --hostname-strict=false --http-host=127.0.0.1 \
  --http-port="$port" --cache=local &
keycloak=$!
for _ in $(seq 1 600); do
  curl -fs "http://127.0.0.1:$port/realms/hospital/.well-known/openid-configuration" >/dev/null && { echo "READY http://127.0.0.1:$port"; break; }
  kill -0 "$keycloak" 2>/dev/null || { echo "NOT READY" >&2; exit 1; }
  sleep 0.5
done
wait "$keycloak"
