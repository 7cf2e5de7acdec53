"""Text as people write it and as it is spoken: sentences, Markdown, dates and times of day.

All functions are pure. Knowledge, brains and voices share them.
"""
