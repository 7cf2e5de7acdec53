"""Importing the package first lets the tests import aiortc, which works without PyAV only then."""

from vivavoce.transports import webrtc as webrtc
