"""Annotating without a server: through a file that opens in a spreadsheet, or at a terminal."""
