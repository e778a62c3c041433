"""The command ``pillarbox-sendmail``, for programs that expect sendmail."""
