"""Message authentication in use: incoming mail is verified, submitted mail is signed."""
