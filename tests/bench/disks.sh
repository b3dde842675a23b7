#!/bin/bash
# disks.sh [FOLDER]: what each cache, way of input and output, and I/O thread costs a guest's disk in FOLDER (target/tmp), by
# fio in a guest. Prints a table for docs/disks.md: MB/s of sequential access with 1 MiB, operations a second of random
# access with 4 KiB, 8 at a time, on an empty overlay over a full layer; "cold": what is read comes from the disk itself.
# As root (it drops caches). Environment: ACCEL=kvm (tcg), SECONDS_EACH=2, CONFIGS="none/native/yes …".
set -euo pipefail
cd "$(dirname "$0")/../.."
WORK=$PWD/target/tmp/disks; GUEST=$PWD/target/tmp/guest; FOLDER=${1:-$WORK}
SIZE=512; ACCEL=${ACCEL:-tcg}; EACH=${SECONDS_EACH:-2}
mkdir -p "$WORK" "$FOLDER"
tests/lab/guest-image.sh "$GUEST" >&2

# fio of Debian with its libraries, unpacked and not installed, in front of the tiny guest's own initramfs.
if [ ! -s "$WORK/initrd" ]; then
  mkdir -p "$WORK/debs/partial" "$WORK/root"
  apt-get install -qq -y --download-only --no-install-recommends -o Dir::Cache::archives="$WORK/debs" fio >&2
  for deb in "$WORK"/debs/*.deb; do dpkg-deb -x "$deb" "$WORK/root"; done
  rm -rf "$WORK/debs" "$WORK/i"; mkdir -p "$WORK/i/lib64" "$WORK/i/libs"
  cp "$WORK/root/usr/bin/fio" "$WORK/i/"
  places=$(find "$WORK/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd:)
  LD_LIBRARY_PATH=$places ldd "$WORK/i/fio" | awk '$3 ~ /^\// {print $3}' | xargs -I{} cp -L {} "$WORK/i/libs/"
  cp -L /lib64/ld-linux-x86-64.so.2 "$WORK/i/lib64/"
  cat >"$WORK/i/init" <<'G'
#!/bin/sh
export PATH=/bin LD_LIBRARY_PATH=/libs
mount -t proc p /proc; mount -t sysfs s /sys; mount -t devtmpfs d /dev 2>/dev/null
for m in /lib/*.ko; do insmod $m; done
for w in $(cat /proc/cmdline); do case $w in JOBS=*|EACH=*) eval "${w%%=*}='${w#*=}'" ;; esac; done
job() { # name, rw, block size
  r=$(/fio --name=$1 --rw=$2 --bs=$3 --filename=/dev/vda --direct=1 --ioengine=libaio --iodepth=8 --size=100% \
      --time_based --runtime=$EACH --minimal --terse-version=3 2>/dev/null | grep '^3;')
  echo "FIO $1 $(echo "$r" | cut -d';' -f7,8,48,49 | tr ';' ' ')" >/dev/ttyS0
}
for j in $(echo $JOBS | tr , ' '); do
  case $j in
  sr|cold) job $j read 1M ;; sw) job $j write 1M ;; rr) job $j randread 4k ;; rw) job $j randwrite 4k ;;
  esac
done
echo "FIO end" >/dev/ttyS0; poweroff -f
G
  chmod +x "$WORK/i/init"
  (cd "$WORK/i" && find . | cpio -o -H newc -R 0:0 --quiet) | cat "$GUEST/initrd.cpio" - >"$WORK/initrd.tmp"
  mv "$WORK/initrd.tmp" "$WORK/initrd"; rm -rf "$WORK/root" "$WORK/i"
fi

base=$FOLDER/bench-base.qcow2; overlay=$FOLDER/bench-overlay.qcow2
trap 'rm -f "$base" "$overlay"' EXIT
head -c ${SIZE}M /dev/urandom >"$FOLDER/bench.raw"
qemu-img convert -f raw -O qcow2 "$FOLDER/bench.raw" "$base"; rm "$FOLDER/bench.raw"

guest() { # cache, aio, iothread, jobs
  local direct=off flush=off thread=() on=
  case $1 in none) direct=on ;; directsync) direct=on ;; unsafe) flush=on ;; esac
  local write=on; [ "$1" = directsync ] && write=off
  [ "$3" = yes ] && { thread=(-object iothread,id=t); on=,iothread=t; }
  local c="cache.direct=$direct,cache.no-flush=$flush"
  timeout 120 qemu-system-x86_64 -nodefaults -display none -no-reboot -M q35 -accel "$ACCEL" -cpu max -smp 2 -m 512 \
    -kernel "$GUEST/vmlinuz" -initrd "$WORK/initrd" -append "$(cat "$GUEST/cmdline") JOBS=$4 EACH=$EACH" \
    -serial stdio "${thread[@]}" \
    -blockdev "file,node-name=bf,filename=$base,aio=$2,$c,read-only=on,auto-read-only=on" \
    -blockdev "qcow2,node-name=b,file=bf,$c,read-only=on" \
    -blockdev "file,node-name=of,filename=$overlay,aio=$2,$c,discard=unmap" \
    -blockdev "qcow2,node-name=o,file=of,backing=b,$c,discard=unmap" \
    -device "virtio-blk-pci,drive=o,write-cache=$write$on" </dev/null | tr -d '\r' | sed -n 's/.*FIO //p'
}

printf '| cache | io | I/O thread | read cold | read | write | random read | random write |\n'
printf '| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |\n'
all=$(echo {none,directsync}/{native,threads,io_uring}/{no,yes} {writeback,unsafe}/{threads,io_uring}/{no,yes})
for config in ${CONFIGS:-$all}; do
  IFS=/ read -r cache aio thread <<<"$config"
  for jobs in cold sr,sw,rr,rw; do
    qemu-img create -q -f qcow2 -F qcow2 -b "$base" "$overlay"
    [ $jobs = cold ] && { sync; echo 3 >/proc/sys/vm/drop_caches; }
    guest "$cache" "$aio" "$thread" "$jobs"
  done | awk -v c="$cache" -v a="$aio" -v t="$thread" '
    # name, then KiB/s and operations of reading, and of writing
    {bw[$1] = ($2 + $4) * 1.024 / 1000; ops[$1] = $3 + $5}
    END {printf "| %s | %s | %s | %.0f | %.0f | %.0f | %.0f | %.0f |\n", c, a, t, bw["cold"], bw["sr"], bw["sw"], ops["rr"], ops["rw"]}'
done
