#!/bin/bash
# resident.sh NETNS FOLDER: makes the network namespace, with its loopback up, and leaves a shell in it, whose pid it
# prints. The shell runs each command line that comes over FOLDER/commands, ended by a NUL, and answers with its status
# over FOLDER/status; what it printed is in FOLDER/stdout and FOLDER/stderr.
set -e
ip netns add "$1"
ip -n "$1" link set lo up
cd "$2"
mkfifo commands status
# As `ip netns exec` does, without the mounts that make it slow.
nsenter --net="/run/netns/$1" bash -c '
  while IFS= read -r -d "" line <&3; do
    eval "$line" </dev/null >stdout 2>stderr 3<&- 4>&-
    echo $? >&4
  done 3<commands 4>status
' </dev/null >/dev/null 2>&1 &
echo $!
