# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that speaks with espeak-ng. The pipe of the README is its only interface."""
