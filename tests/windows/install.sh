#!/bin/sh
# What tests/windows/machine.py needs beside Python, on Debian and Ubuntu: Wine, and a compiler for three small files.
set -e
apt-get update -qq
DEBIAN_FRONTEND=noninteractive nice apt-get install -y -qq --no-install-recommends \
  wine wine64 gcc-mingw-w64-x86-64 binutils-mingw-w64-x86-64 mingw-w64-tools >/dev/null
