"""From text to observations: replies, log lines, errors of libraries, bounce mails."""
