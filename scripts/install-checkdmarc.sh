#!/bin/bash
# Install checkdmarc, which `check domain` is compared with, into an environment of its own: it
# brings more than pillarbox should depend on. Running it again is quick; a failure skips a test.
set -uo pipefail

folder=/var/cache/pillarbox-peers/checkdmarc
version=6.0.4
"$folder/bin/python" -c "import checkdmarc" 2>/dev/null && exit 0
python3 -m venv "$folder" && "$folder/bin/pip" install --quiet "checkdmarc==$version" ||
  echo "install-checkdmarc: checkdmarc is missing"
