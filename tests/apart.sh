#!/bin/bash
# apart.sh COMMAND...: runs a command in a network of its own, with nothing but loopback; needs root.
#
# Chromium breaks off what it loads when an interface comes or goes, as those of lab nodes do that another suite starts.
exec unshare --net -- sh -c 'ip link set lo up && exec "$@"' sh "$@"
