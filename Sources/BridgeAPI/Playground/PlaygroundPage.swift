import Foundation
import HTTPServer

/// The page at `/`: talks to a session and shows its events as they come. One file that loads nothing else.
enum PlaygroundPage {
    /// Made once. Only the page's own script and style run, told by their hashes, and it may talk to this server alone.
    static let response = Response(
        status: 200,
        headers: [
            "content-type": "text/html; charset=utf-8", "cache-control": "no-cache", "content-security-policy": contentSecurityPolicy,
            "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
        ], body: .bytes(Array(html.utf8)))

    static let html = """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>realtime-bridge</title>
        <link rel="icon" href="data:,">
        <style>\(PlaygroundStyle.text)</style>
        </head>
        <body>
        \(PlaygroundMarkup.text)
        <script>\(PlaygroundScript.text)</script>
        </body>
        </html>

        """

    private static var contentSecurityPolicy: String {
        [
            "default-src 'none'", "script-src '\(hash(of: PlaygroundScript.text))'", "style-src '\(hash(of: PlaygroundStyle.text))'",
            "connect-src 'self'", "img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
        ].joined(separator: "; ")
    }

    /// As Content Security Policy Level 3 spells it: of the bytes between the tags.
    private static func hash(of text: String) -> String {
        "sha256-\(Data(Digest.sha256(text.utf8)).base64EncodedString())"
    }
}
