#!/bin/bash
# Makes a container engine for the tests where no Docker answers: podman behind a private Docker socket.
#   engine.sh DIRECTORY        prints the socket's path; may be run again and by several at once
# Needs root on Debian. DIRECTORY keeps images, containers and the socket between runs. The service ends
# by itself after an idle hour. No image registry is asked: debootstrap makes the base images.
set -euo pipefail
dir=${1:?directory}
socket=$dir/docker.sock
export CONTAINERS_CONF=$dir/containers.conf

say() { echo "engine: $*" >&2; }
fail() { say "$*"; exit 1; }
answers() { [ -S "$socket" ] && timeout 5 podman --remote --url "unix://$socket" version >/dev/null 2>&1; }
own_podman() { podman --root "$dir/root" --runroot "$dir/runroot" "$@"; }

install_packages() {
  local missing=() command
  for command in podman runc debootstrap; do command -v "$command" >/dev/null || missing+=("$command"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || fail "no Docker answers and ${missing[*]} cannot be installed: this is not Debian"
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  {
    dpkg --configure -a # an installation that was interrupted
    apt-get -o DPkg::Lock::Timeout=300 update
    apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}"
  } >&2 </dev/null || fail "apt-get could not install ${missing[*]}"
}

write_settings() {
  # runc: crun refuses hybrid cgroups. Equal soft and hard limits: podman 4.3's API swaps the two, and
  # podman's own higher limits need a capability that a machine inside a container lacks.
  cat > "$CONTAINERS_CONF.new" <<'SETTINGS'
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=1000:1000"]
log_driver = "k8s-file"
netns = "host"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
SETTINGS
  mv "$CONTAINERS_CONF.new" "$CONTAINERS_CONF"
}

make_base_image() { # suite
  own_podman image exists "localhost/debian:$1-slim" && return
  say "making debian:$1-slim"
  local root="$dir/debootstrap-$1"
  rm -rf "$root" # of a run that was killed
  debootstrap --variant=minbase "$1" "$root" >&2 </dev/null || fail "debootstrap $1 failed"
  # apt in builds uses this machine's mirror, proxy and date settings
  if [ -e /etc/apt/sources.list.d/debian.sources ]; then
    sed "s/bookworm/$1/g" /etc/apt/sources.list.d/debian.sources > "$root/etc/apt/sources.list.d/debian.sources"
    : > "$root/etc/apt/sources.list"
  fi
  apt-config dump | { grep -E '^Acquire::(Check|https?::)' || true; } > "$root/etc/apt/apt.conf.d/90host"
  rm -rf "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/*
  tar -C "$root" -c . | own_podman import - "localhost/debian:$1-slim" >&2
  rm -rf "$root"
}

start_service() {
  if [ -e "$dir/service.pid" ] && grep -qs "$socket" "/proc/$(cat "$dir/service.pid")/cmdline"; then
    kill "$(cat "$dir/service.pid")" || true # it runs and doesn't answer
  fi
  rm -f "$socket"
  setsid podman --root "$dir/root" --runroot "$dir/runroot" system service --time=3600 "unix://$socket" \
    > "$dir/service.log" 2>&1 < /dev/null 9>&- &
  echo $! > "$dir/service.pid"
  for _ in $(seq 100); do answers && return; sleep 0.1; done
  cat "$dir/service.log" >&2
  fail "the podman service does not answer"
}

if ! answers; then
  [ "$(id -u)" = 0 ] || fail "no Docker answers, and only root can make an engine: start Docker or run as root"
  mkdir -p "$dir"
  exec 9> "$dir/lock"
  flock -w 900 9 || fail "another run has been making the engine for 15 minutes ($dir/lock)"
  if ! answers; then
    install_packages
    write_settings
    for suite in bookworm trixie; do make_base_image "$suite"; done
    start_service
  fi
fi
echo "$socket"
