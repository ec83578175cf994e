"""Answer which net to take: `answer` puts it into words, `section` draws it as the opening of the page."""
