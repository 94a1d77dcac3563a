import HTTPServer

/// The part of an answer that a request asks for (RFC 9110, section 14).
enum ByteRange: Equatable {
    case whole
    case part(Range<Int>)
    /// None of it is there: 416.
    case unsatisfiable

    /// One range of bytes is understood. Several, other units and what cannot be read are answered with the whole, as the RFC allows, and
    /// so is a range of something that has changed since (`If-Range`).
    /// - Parameters:
    ///   - count: bytes of the whole.
    ///   - tag: the whole's strong entity tag.
    init(_ head: RequestHead, of count: Int, tag: String) {
        self = .whole
        let fields = head.headers.values("range")
        // A range means nothing but with GET (section 14.2).
        guard head.method == "GET", fields.count == 1 else { return }
        if let condition = head.headers["if-range"], condition != tag { return }
        let parts = fields[0].split(separator: "=", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bytes" else { return }
        let bounds = parts[1].filter { $0 != " " && $0 != "\t" }.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard bounds.count == 2, bounds.allSatisfy({ $0.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }) else {
            return
        }
        // A number that does not fit lies behind any end.
        let (first, last) = (bounds[0].isEmpty ? nil : Int(bounds[0]) ?? .max, bounds[1].isEmpty ? nil : Int(bounds[1]) ?? .max)
        switch (first, last) {
        case (nil, nil):
            return
        case (nil, let suffix?):
            self = suffix == 0 || count == 0 ? .unsatisfiable : .part(max(0, count - suffix)..<count)
        case (let first?, let last):
            if let last, last < first { return }
            self = first < count ? .part(first..<min(last ?? count - 1, count - 1) + 1) : .unsatisfiable
        }
    }
}
