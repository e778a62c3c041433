"""Message authentication at work: incoming mail is judged, submitted mail is signed."""
