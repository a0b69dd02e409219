#!/usr/bin/env bash
# Builds kube-apiserver and kubelet 1.20.2 from Debian's own source package: about 10 minutes on two cores, once.
# usage: build.sh DIR   -> DIR/bin/{kube-apiserver,kubelet}; a second call returns at once
set -euo pipefail
dir=$(mkdir -p "$1" && cd "$1" && pwd)
if [ -x "$dir/bin/kube-apiserver" ] && [ -x "$dir/bin/kubelet" ]; then exit 0; fi

# A source list of its own, so that the machine's stays as it is.
apt_dir=$dir/apt
mkdir -p "$apt_dir/lists/partial" "$apt_dir/cache/archives/partial"
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } |
  sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' | grep -v security | head -n 1)
if [ -z "$mirror" ]; then echo "no Debian mirror in apt's own lists" >&2; exit 1; fi
echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm main" >"$apt_dir/src.list"
opts=(-o Dir::Etc::SourceList="$apt_dir/src.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::State::Lists="$apt_dir/lists" -o Dir::Cache="$apt_dir/cache")
apt-get "${opts[@]}" update -q
cd "$dir"
apt-get "${opts[@]}" source -q --download-only kubernetes
rm -rf src
dpkg-source -x kubernetes_*.dsc src

# Without it the programs would not know what version they are, and clients would not know what they can ask of them.
cat >"$dir/version.sh" <<'V'
KUBE_GIT_COMMIT='faecb196815e248d3ecfb03c680a4507229c2a56'
KUBE_GIT_TREE_STATE='clean'
KUBE_GIT_VERSION='v1.20.2'
KUBE_GIT_MAJOR='1'
KUBE_GIT_MINOR='20'
V
mkdir -p "$dir/src/.go/src/k8s.io" "$dir/home"
ln -sfn ../../.. "$dir/src/.go/src/k8s.io/kubernetes"
cd "$dir/src/.go/src/k8s.io/kubernetes"
HOME="$dir/home" GOPATH="$dir/src/.go" GOCACHE="$dir/gocache" CGO_ENABLED=0 GOPROXY=off GO111MODULE=off GOFLAGS= \
  KUBE_GIT_VERSION_FILE="$dir/version.sh" nice -n 19 make WHAT="cmd/kube-apiserver cmd/kubelet" GOLDFLAGS="-s -w"
# Elsewhere first, so that a copy that was cut short is never taken for whole.
mkdir -p "$dir/new"
cp -L "$dir"/src/_output/bin/kube-apiserver "$dir"/src/_output/bin/kubelet "$dir/new/"
rm -rf "$dir/bin" && mv "$dir/new" "$dir/bin"
rm -rf "$dir/src" "$dir/gocache" "$dir/home"
