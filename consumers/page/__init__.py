"""A session as one self-contained HTML file: branches, timeline, messages, scores, raw JSON."""
