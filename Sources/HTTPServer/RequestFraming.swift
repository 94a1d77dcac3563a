/// How a request's body is delimited, refusing what two servers could read differently (request smuggling).
///
/// libmicrohttpd takes the first of two `Content-Length` or `Host` fields, lets `Transfer-Encoding` beat a `Content-Length`, and reads
/// unknown codings as no body at all. RFC 9112 section 6.3 and section 3.2 let us refuse all of these. A blank
/// before a colon it takes for a part of the name, as it does a folded line (sections 5.1 and 5.2), so that it would read past the field.
struct RequestFraming: Equatable {
    struct Problem: Error, Equatable {
        let message: String
    }

    let contentLength: Int?
    let hasBody: Bool

    /// - Parameter headers: untrimmed, because libmicrohttpd does not know `chunked` with a blank after it.
    /// - Parameter authority: the host in an absolute-form target; it must be the `Host`.
    init(headers: HTTPHeaders, isHTTP10: Bool, authority: String?) throws(Problem) {
        for field in headers.fields {
            guard !field.name.isEmpty, field.name.utf8.allSatisfy(Self.isTokenCharacter) else {
                throw Problem(message: "The name of a header field has a character that no name has, such as a blank before the colon.")
            }
            guard field.value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == UInt8(ascii: "\t") }) else {
                throw Problem(message: "The value of a header field has a control character.")
            }
        }
        let hosts = headers.values("host")
        guard hosts.count <= 1 else { throw Problem(message: "The request has more than one Host.") }
        if let authority, let host = hosts.first, !host.equalsIgnoringASCIICase(authority) {
            throw Problem(message: "The request target and Host name different hosts.")
        }
        let lengths = headers.values("content-length")
        guard lengths.count <= 1 else { throw Problem(message: "The request has more than one Content-Length.") }
        let codings = headers.values("transfer-encoding")
        if let coding = codings.first {
            guard !isHTTP10 else { throw Problem(message: "HTTP/1.0 has no Transfer-Encoding.") }
            guard lengths.isEmpty else { throw Problem(message: "The request has both Transfer-Encoding and Content-Length.") }
            guard codings.count == 1, coding.equalsIgnoringASCIICase("chunked") else {
                throw Problem(message: "The only Transfer-Encoding is chunked.")
            }
            contentLength = nil
            hasBody = true
        } else if let text = lengths.first {
            guard !text.isEmpty, text.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }), let length = Int(text) else {
                throw Problem(message: "The Content-Length is not a length.")
            }
            contentLength = length
            hasBody = length > 0
        } else {
            contentLength = nil
            hasBody = false
        }
    }

    /// RFC 9110 section 5.6.2.
    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: Self.tokenMarks.contains(byte)
        }
    }

    private static let tokenMarks = Set("!#$%&'*+-.^_`|~".utf8)
}
