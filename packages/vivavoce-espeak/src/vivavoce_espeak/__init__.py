# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that speaks with espeak-ng. Its only interface is the pipe that the README describes."""
