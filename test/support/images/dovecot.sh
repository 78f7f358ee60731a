#!/bin/sh
# A Dovecot node, 2.3 or 2.4, with deploy's dovecot.conf. What differs in a test is in local.conf.
set -eu
. /homing/mailboxes.sh
sed "s|@PROXY_NETS@|$PROXY_NETS|g" /homing/dovecot.conf > /etc/dovecot/dovecot.conf
cp /homing/managesieve.conf /etc/dovecot/
install -m 640 -o root -g dovecot /homing/proxies /etc/dovecot/homing-proxies
: > /etc/dovecot/homing-nobody
mkdir -p /etc/dovecot/tls
cp /homing/cert.pem /homing/key.pem /etc/dovecot/tls/
cat > /etc/dovecot/local.conf <<LOCAL
listen = 127.0.0.1
login_greeting = $NODE ready
log_path = /dev/stderr
log_timestamp = "%Y-%m-%d %H:%M:%S "
auth_debug = $AUTH_DEBUG
auth_mechanisms = $MECHANISMS
service imap-login {
  inet_listener imap {
    port = $IMAP_PORT
  }
  inet_listener imaps {
    port = $IMAPS_PORT
  }
}
service pop3-login {
  inet_listener pop3 {
    port = $POP3_PORT
  }
  inet_listener pop3s {
    port = $POP3S_PORT
  }
}
service managesieve-login {
  inet_listener sieve {
    port = $SIEVE_PORT
  }
  inet_listener sieves {
    port = $SIEVES_PORT
    ssl = yes
  }
}
LOCAL
rm -f /run/dovecot/master.pid
exec dovecot -F
