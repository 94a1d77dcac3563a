/// A request target taken apart by us, because libmicrohttpd's own decoding ends paths at `%00` and makes slashes of `%2F`.
struct RequestTarget: Equatable {
    /// What is wrong with a target, fit for the client.
    struct Problem: Error, Equatable {
        let message: String
    }

    /// Raw, before `?`.
    private(set) var path: String
    private(set) var segments: [String] = []
    private(set) var query: [QueryPair] = []
    /// The host of the absolute form, `GET http://host/path`.
    private(set) var authority: String?

    struct QueryPair: Equatable {
        let name: String
        let value: String
    }

    /// - Parameter target: bytes that were not UTF-8 replaced by U+FFFD.
    /// - Throws: for `%00`, incomplete escapes, what is not UTF-8 before or after decoding, control bytes, and paths that do not begin with a
    ///   slash.
    init(parsing target: String) throws(Problem) {
        guard !target.unicodeScalars.contains("\u{FFFD}") else { throw Problem(message: "The request target is not UTF-8.") }
        guard target.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f }) else {
            throw Problem(message: "The request target has a control character.")
        }
        var rest = target[...]
        for scheme in ["http://", "https://"] where rest.prefix(scheme.count).equalsIgnoringASCIICase(scheme) {
            let host = rest.dropFirst(scheme.count).prefix { $0 != "/" && $0 != "?" }
            authority = String(host)
            rest = rest[host.endIndex...]
            if !rest.hasPrefix("/") { rest = "/" + rest }
            break
        }
        let rawPath = rest.prefix { $0 != "?" }
        path = String(rawPath)
        if path != "*" {
            guard path.hasPrefix("/") else { throw Problem(message: "The request target must begin with a slash.") }
            if path.utf8.count > 1 {
                for raw in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
                    segments.append(try Self.decode(raw, plusIsSpace: false))
                }
            }
        }
        guard rawPath.endIndex < rest.endIndex else { return }
        for pair in rest[rest.index(after: rawPath.endIndex)...].split(separator: "&") {
            let name = pair.prefix { $0 != "=" }
            query.append(
                QueryPair(
                    name: try Self.decode(name, plusIsSpace: true),
                    value: try Self.decode(pair[name.endIndex...].dropFirst(), plusIsSpace: true)))
        }
    }

    private static func decode(_ text: Substring, plusIsSpace: Bool) throws(Problem) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var rest = text.utf8.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.next()?.hexDigitValue, let low = rest.next()?.hexDigitValue else {
                    throw Problem(message: "The request target has an incomplete percent escape.")
                }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace:
                bytes.append(UInt8(ascii: " "))
            default:
                bytes.append(byte)
            }
        }
        guard !bytes.contains(0) else { throw Problem(message: "The request target has a zero byte.") }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw Problem(message: "The request target is not UTF-8.")
        }
        return decoded
    }
}

extension UInt8 {
    fileprivate var hexDigitValue: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
