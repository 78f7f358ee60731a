#!/bin/sh
# A Courier node with deploy's files, started by the distribution's own scripts. Its syslog is our output.
set -eu
. /homing/mailboxes.sh
cd /etc/courier
install -m 755 /homing/authProg authProg
install -m 600 /homing/proxies homing-proxies
cp /homing/homing.conf /homing/authdaemonrc .
sed "s/^@PROXY_ADDRESS@/$PROXY_ADDRESS/" /homing/homing-access > homing-access
[ -z "$DENIED_ADDRESS" ] || printf '%s\tdeny\n' "$DENIED_ADDRESS" >> homing-access
makedat -src=/etc/courier/homing-access -file=/etc/courier/homing-access.dat -tmp=/etc/courier/homing-access.tmp
for file in imapd pop3d imapd-ssl pop3d-ssl; do
  [ -e "$file.dist" ] || cp "$file" "$file.dist"
  cp "$file.dist" "$file"
done
cat /homing/imapd >> imapd
cat /homing/pop3d >> pop3d
# What differs in a test.
sed -i 's/^DEBUG_LOGIN=.*/DEBUG_LOGIN=1/' authdaemonrc
printf 'ADDRESS=127.0.0.1\nPORT=%s\n' "$IMAP_PORT" >> imapd
printf 'ADDRESS=127.0.0.1\nPORT=%s\n' "$POP3_PORT" >> pop3d
printf 'SSLADDRESS=127.0.0.1\nSSLPORT=%s\n' "$IMAPS_PORT" >> imapd-ssl
printf 'SSLADDRESS=127.0.0.1\nSSLPORT=%s\n' "$POP3S_PORT" >> pop3d-ssl
for service in imapd pop3d; do
  cat /homing/key.pem /homing/cert.pem > "$service.pem"
  chown courier "$service.pem"
  chmod 600 "$service.pem"
done
rm -rf /run/courier
install -d -m 775 -o root -g courier /run/courier
install -d -m 750 -o courier -g courier /run/courier/authdaemon

rm -f /dev/log
perl -MSocket -e '
  $| = 1;
  socket my $log, AF_UNIX, SOCK_DGRAM, 0 or die "socket: $!";
  bind $log, pack_sockaddr_un("/dev/log") or die "bind: $!";
  chmod 0666, "/dev/log";
  while (defined recv $log, my $line, 8192, 0) { $line =~ s/\A<\d+>|[\0\n]+\z//g; print "$line\n" }
' &
while [ ! -S /dev/log ]; do sleep 0.05; done
authdaemond start
for service in imapd imapd-ssl pop3d pop3d-ssl; do "$service" start; done
echo "$NODE ready"
trap 'exit 0' TERM
wait
