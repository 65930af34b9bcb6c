#!/bin/sh
# The UDP half, as an init script sets it up before each start of keepalived: notify_up is not called at start-up.
ipvsadm -A -u 192.0.2.53:53 -s wrr
ipvsadm -a -u 192.0.2.53:53 -r 192.0.2.11:53 -g -w 1
ipvsadm -a -u 192.0.2.53:53 -r 192.0.2.12:53 -g -w 1
ipvsadm -a -u 192.0.2.53:53 -r 192.0.2.13:53 -g -w 1
