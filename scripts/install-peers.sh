#!/bin/bash
# Install the other people's programs that the tests and the benchmark use (Debian 12, root).
#
# Postfix, swaks, curl and the rest come as packages. OpenSMTPD and Exim conflict with
# Postfix, so they are unpacked beside it, into a folder that tests/peers.py knows.
# Running it again is quick. What cannot be had is named and left out: the tests that
# need it are then skipped by name, so this script never fails a build.
set -uo pipefail

peers=/var/cache/pillarbox-peers  # readable by the daemons' own users
packages=(
  postfix opendkim opendkim-tools swaks libnet-ssleay-perl curl openssl slapd ldap-utils strace faketime libfaketime iptables
  unbound testssl.sh                              # the validating resolver, a scanner
  rspamd spamassassin spamd                       # content filters
  dovecot-core libsasl2-modules gsasl libauthen-sasl-perl  # what logs in, and what checks it
  fetchmail mpop                                  # POP3 clients
  fuse3 libfuse2 util-linux procps                # the lossy file system
  chromium pngquant                               # the browser that walks the pages, and its pictures
  fonts-liberation fonts-noto-core fonts-noto-color-emoji  # what mail is written in
  libevent-2.1-7 libdb5.3 libgnutls-dane0 libidn12 libnsl2  # for what is unpacked
)
users=(Debian-exim opensmtpd opensmtpq)

say() { echo "install-peers: $*"; }
# A mirror that does not answer must not hold up a build, nor another apt that is at work.
apt() { apt-get -qq -o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10 \
  -o Acquire::Retries=1 -o DPkg::Lock::Timeout=120 "$@"; }
has_package() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q ' installed$'; }
has_postgresql() {
  command -v pg_ctl >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/pg_ctl' >/dev/null
}

update_once() {
  [ -n "${updated:-}" ] || apt update || say "apt-get update failed; trying what is known"
  updated=yes
}

install_package() {
  has_package "$1" && return 0
  update_once
  apt install -y --no-install-recommends "$1" >/dev/null || say "$1 is missing"
}

unpack() { # FILE-TO-EXPECT PACKAGE...
  local expected="$1" downloads package
  shift
  [ -e "$peers/$expected" ] && return 0
  update_once
  downloads="$(mktemp -d)"
  chmod 755 "$downloads"
  (cd "$downloads" && apt download "$@" 2>/dev/null)
  for package in "$downloads"/*.deb; do
    [ -e "$package" ] && dpkg -x "$package" "$peers"
  done
  rm -rf "$downloads"
  [ -e "$peers/$expected" ] || say "$* is missing"
}

add_user() {
  id "$1" >/dev/null 2>&1 && return 0
  useradd --system --user-group --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin "$1" 2>/dev/null || say "user $1 is missing"
}

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  say "needs root and apt-get; nothing was installed"
  exit 0
fi
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
  # The tests start their own daemons: no package's own is to run beside them.
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
if ! has_package postfix; then
  echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
fi
for package in "${packages[@]}"; do
  install_package "$package"
done
has_postgresql || install_package postgresql-15

mkdir -p "$peers"
unpack usr/sbin/smtpd opensmtpd
unpack usr/sbin/exim4 exim4-daemon-light exim4-base
unpack usr/bin/pebble pebble
for user in "${users[@]}"; do
  add_user "$user"
done
if [ -e "$peers/usr/sbin/smtpctl" ] && id opensmtpq >/dev/null 2>&1; then
  chgrp opensmtpq "$peers/usr/sbin/smtpctl" && chmod 2555 "$peers/usr/sbin/smtpctl"
fi
if command -v npm >/dev/null; then
  # The last are clients of Mailpit and MailHog: one asks for Cypress, which nobody needs here, and
  # one does not say that it needs tslib.
  for package in nodemailer oauth2-mock-server mailpit-api cypress-mailpit mailhog mailhog-awesome tslib; do
    [ -e "$peers/node/node_modules/$package" ] ||
      npm install --silent --legacy-peer-deps --ignore-scripts --no-audit --no-fund --fetch-retries=1 --fetch-timeout=30000 --prefix "$peers/node" "$package" >/dev/null 2>&1 ||
      say "$package is missing"
  done
fi
# Another program that judges domains; it has a Python environment of its own.
[ -e "$peers/checkdmarc/bin/checkdmarc" ] ||
  { python3 -m venv "$peers/checkdmarc" && "$peers/checkdmarc/bin/pip" install --quiet checkdmarc; } >/dev/null 2>&1 ||
  say "checkdmarc is missing"
# Clients of Mailpit and MailHog in Python, which bring tools of their own along.
[ -e "$peers/mail-clients/bin/python" ] ||
  { python3 -m venv "$peers/mail-clients" && "$peers/mail-clients/bin/pip" install --quiet mailpit-api-client mailhog; } >/dev/null 2>&1 ||
  say "mailpit-api-client and mailhog are missing"
say "done ($peers)"
exit 0
