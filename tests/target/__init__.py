"""Tests of launching, attaching to and ending a target."""
