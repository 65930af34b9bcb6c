#!/bin/bash
# slow-modprobe.sh FOLDER MODULE MODPROBE ARG...: the kernel's modprobe, which loads MODULE only when somebody writes into
# FOLDER/release. FOLDER/asked says that the kernel asks.
folder=$1 module=$2
shift 2
if [[ " $* " == *" $module "* ]]; then
  exec 3<>"$folder/release"
  : >"$folder/asked"
  read -r -u 3
fi
exec "$@" 3>&-
