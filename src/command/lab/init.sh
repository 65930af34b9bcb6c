#!/bin/bash
# pid 1 of the lab's guest. boot.ts started the kernel with LAB_RUN=<folder of this run>; the file
# `start` in it holds, NUL-separated: the folder to run in, the folder that holds modules/, the terminal's
# rows and columns (0 0 = no terminal), whether the command has input, how many folders of the host stay, those folders (r/path to
# read, w/path to write), how many NAME=value words follow, those words, and the command.
#   tty0 kernel log   tty1 stdout (or the terminal)   tty2 stderr   tty3 what the host tells us   tty4 stdin

# perl is in every Debian, `halt` is not. 169 = reboot(2), the last number = power off.
poweroff() { exec perl -e 'syscall 169, 0xfee1dead, 672274793, 0x4321fedc'; }
trap 'echo "lab/init.sh: line $LINENO failed: $BASH_COMMAND"; poweroff' ERR

mount -t proc proc /proc
mapfile -d '' start <"$LAB_RUN/start"
cwd=${start[0]} modules=${start[1]} rows=${start[2]} cols=${start[3]} input=${start[4]}
keep=("${start[@]:6:start[5]}")
rest=("${start[@]:6+start[5]}")
env=("${rest[@]:1:rest[0]}")
command=("${rest[@]:1+rest[0]}")

mount -t sysfs sys /sys
mkdir -p /dev/shm /dev/pts /dev/keep
mount -t devpts -o gid=5,mode=620,ptmxmode=666 pts /dev/pts
mount -t tmpfs shm /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr

# The root is the host's own disk. Only some folders stay writable; scratch folders are the guest's
# own, even when one of those lies inside.
for i in "${!keep[@]}"; do
  mkdir "/dev/keep/$i"
  mount --bind "${keep[i]:1}" "/dev/keep/$i"
done
mount -o remount,bind,ro /
for scratch in /tmp /var/tmp /run; do mount -t tmpfs tmp "$scratch"; done
for i in "${!keep[@]}"; do
  folder=${keep[i]:1}
  [[ -d $folder ]] || mkdir -p "$folder"
  mount --bind "/dev/keep/$i" "$folder"
  [[ ${keep[i]} == w* ]] || mount -o remount,bind,ro "$folder"
done
chmod 1777 /tmp /var/tmp /dev/shm
mkdir -p /run/lab/home /run/lock
ln -s "$modules" /run/lab/lib # where modprobe -d /run/lab looks

# The kernel loads modules through this script: schedulers, veth, conntrack and the rest come by
# themselves, from any namespace, without a /lib/modules on the host.
for word in "${env[@]}"; do
  case $word in PATH=* | LD_LIBRARY_PATH=* | MODPROBE_OPTIONS=*) export "$word" ;; esac
done
printf '#!/bin/bash\nexport LD_LIBRARY_PATH=%q\nexec %q -d /run/lab "$@"\n' \
  "$LD_LIBRARY_PATH" "$(type -P modprobe)" >/run/lab/modprobe
chmod +x /run/lab/modprobe
echo /run/lab/modprobe >/proc/sys/kernel/modprobe
echo ipvs-lab >/proc/sys/kernel/hostname
[[ -e /proc/net/if_inet6 ]] || modprobe ipv6 # built into newer kernels
modprobe ip_vs
ip link set lo up

# The host tells us the terminal's new size or a signal for the command, or closes the line because it is
# gone or wants an end.
stty -F /dev/tty3 raw -echo
{
  while read -r word first second; do
    case $word in
    size) stty -F /dev/tty1 rows "$first" cols "$second" ;;
    signal) kill -s "$first" -- "-$(</run/lab/command)" ;;
    esac
  done </dev/tty3
  poweroff
} &
disown

# Held open: a terminal forgets its size when the last one closes it.
exec 7<>/dev/tty1
if [[ $input ]]; then
  # Before anything is sent: what comes to a line that nobody has opened raises no interrupt.
  exec 9</dev/tty4
  stty raw -echo <&9
fi
echo ready >/dev/tty3
trap - ERR
cd "$cwd"
if ((rows)); then
  stty -F /dev/tty1 sane rows "$rows" cols "$cols"
  setsid -c -w env -i "${env[@]}" "${command[@]}" <&7 >&7 2>&1 7>&-
  status=$?
else
  # Pipes, so that programs see no terminal; cat carries the bytes to the host.
  stty -F /dev/tty1 raw -echo
  stty -F /dev/tty2 raw -echo
  exec 5> >(exec cat >&7)
  cats=$!
  exec 6> >(exec cat >/dev/tty2)
  cats="$cats $!"
  # Pieces behind their sizes (input.ts); whoever has stopped reading has had enough.
  if [[ $input ]]; then
    exec 8< <(
      exec perl -e '
        sub take {
          my ($bytes, $taken) = (shift, "");
          while (length $taken < $bytes) {
            sysread STDIN, $taken, $bytes - length $taken, length $taken or exit;
          }
          return $taken;
        }
        while (my $size = unpack "N", take(4)) {
          my $piece = take($size);
          while (length $piece) { substr $piece, 0, (syswrite STDOUT, $piece or exit), "" }
        }' <&9 5>&- 6>&- 7>&-
    )
  else
    exec 8</dev/null
  fi
  # A process group of its own, so that a signal reaches all of it.
  set -m
  env -i "${env[@]}" "${command[@]}" <&8 >&5 2>&6 5>&- 6>&- 7>&- 8<&- 9<&- &
  echo $! >/run/lab/command
  set +m
  exec 8<&-
  wait $!
  status=$?
  exec 5>&- 6>&-
  # A daemon left behind would hold the pipes open for ever.
  for process in /proc/[0-9]*; do
    process=${process#/proc/}
    [[ " 1 $cats " == *" $process "* ]] || kill -KILL "$process"
  done 2>/dev/null
  wait $cats
  stty -F /dev/tty2 -echo
fi
stty -F /dev/tty1 -echo # waits until the host has read everything
echo "$status" >"$LAB_RUN/status"
sync "$LAB_RUN/status"
poweroff
