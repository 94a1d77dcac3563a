#!/usr/bin/env python3
"""Writes openapi.json into the Swift file that carries it. Run from anywhere; prints what it wrote."""

import pathlib

root = pathlib.Path(__file__).resolve().parents[2]
document = (root / "openapi.json").read_text(encoding="utf-8").rstrip("\n")
assert '"""#' not in document, "the document holds the end of a Swift raw string"
target = root / "Sources" / "BridgeAPI" / "Service" / "OpenAPIDocument.swift"
target.write_text(
    '''// swift-format-ignore-file

/// `openapi.json`, so that the program needs no file to show its contract.
///
/// The file is the original: after a change of it run `Tests/Tools/embed_openapi.py`. A test fails until that is done.
enum OpenAPIDocument {
    static let text = #"""
'''
    + document
    + '\n\n"""#\n}\n',
    encoding="utf-8",
)
print(target.relative_to(root))
