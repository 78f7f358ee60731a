# Read by the nodes' run.sh: gives each of $USERS a mailbox whose first message says which node it is on.

# Courier waits two seconds at each SELECT for a uid that has no name.
if ! getent passwd 5000 > /dev/null; then
  groupadd -g 5000 vmail
  useradd -u 5000 -g 5000 -M -d /srv/mail vmail
fi
mkdir -p /srv/mail
for user in $USERS; do
  maildir=/srv/mail/$user/Maildir
  [ ! -e "$maildir" ] || continue
  mkdir -p "$maildir/new" "$maildir/cur" "$maildir/tmp"
  printf 'From: test@%s\nTo: %s\nSubject: on %s\nMessage-ID: <1.%s@%s>\nDate: Mon, 01 Jan 2024 00:00:00 +0000\n\nThis is %s.\n' \
    "$NODE" "$user" "$NODE" "$user" "$NODE" "$NODE" > "$maildir/new/1704067200.M1P1.$NODE"
done
chown -R 5000:5000 /srv/mail
