/// One pass over a JSON text (RFC 8259) that checks the grammar and writes down where each value lies.
///
/// Works on the buffer's memory: a frame of 250 bytes takes a third of a microsecond (release build), one with
/// 32 KiB of base64, which is gone over eight bytes at a time, three.
struct JSONScanner {
    private let base: UnsafeBufferPointer<UInt8>
    private let maximumDepth: Int
    private let maximumValues: Int
    private let refusingDuplicates: Bool
    private var position = 0
    private(set) var nodes: [JSONText.Node] = []
    private(set) var sawNonASCII = false

    /// Objects up to this many members are checked for duplicate names pair by pair; larger ones by a set, so that a hostile
    /// object of a million names costs no more than its length.
    private static let pairwiseLimit = 12

    /// A node takes 16 bytes, a value of a hostile text two: without a bound 22 MiB of text would become 180 MiB of nodes. No event of
    /// the protocol comes near it.
    static let maximumValues = 1 << 20

    init(_ base: UnsafeBufferPointer<UInt8>, maximumDepth: Int, maximumValues: Int, refusingDuplicates: Bool) {
        self.base = base
        self.refusingDuplicates = refusingDuplicates
        self.maximumDepth = maximumDepth
        self.maximumValues = maximumValues
        nodes.reserveCapacity(min(32, 4 + base.count / 16))
    }

    mutating func scanText() throws(JSONError) {
        skipSpace()
        try scanValue(depth: 0)
        skipSpace()
        if position < base.count { throw fail(.trailingBytes) }
    }

    private func fail(_ reason: JSONError.Reason) -> JSONError {
        JSONError(reason: reason, offset: position)
    }

    private mutating func skipSpace() {
        while position < base.count {
            switch base[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private mutating func open(_ kind: JSON.Kind) throws(JSONError) -> Int {
        guard nodes.count < maximumValues else { throw fail(.tooManyValues) }
        nodes.append(JSONText.Node(kind: kind, escaped: false, start: UInt32(position), end: 0, next: 0))
        return nodes.count - 1
    }

    private mutating func close(_ index: Int) {
        nodes[index].end = UInt32(position)
        nodes[index].next = UInt32(nodes.count)
    }

    private mutating func scanValue(depth: Int) throws(JSONError) {
        guard position < base.count else { throw fail(.unexpectedEnd) }
        switch base[position] {
        case UInt8(ascii: "{"): try scanObject(depth: depth + 1)
        case UInt8(ascii: "["): try scanArray(depth: depth + 1)
        case UInt8(ascii: "\""): try scanString()
        case UInt8(ascii: "t"): try scanWord("true", .true)
        case UInt8(ascii: "f"): try scanWord("false", .false)
        case UInt8(ascii: "n"): try scanWord("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try scanNumber()
        default: throw fail(.unexpectedByte)
        }
    }

    private mutating func scanObject(depth: Int) throws(JSONError) {
        guard depth <= maximumDepth else { throw fail(.tooDeep) }
        let index = try open(.object)
        position += 1
        skipSpace()
        if position < base.count, base[position] == UInt8(ascii: "}") {
            position += 1
            return close(index)
        }
        var names = 0
        while true {
            guard position < base.count else { throw fail(.unexpectedEnd) }
            guard base[position] == UInt8(ascii: "\"") else { throw fail(.unexpectedByte) }
            try scanString()
            names += 1
            skipSpace()
            guard position < base.count else { throw fail(.unexpectedEnd) }
            guard base[position] == UInt8(ascii: ":") else { throw fail(.unexpectedByte) }
            position += 1
            skipSpace()
            try scanValue(depth: depth)
            skipSpace()
            guard position < base.count else { throw fail(.unexpectedEnd) }
            let byte = base[position]
            position += 1
            if byte == UInt8(ascii: "}") { break }
            guard byte == UInt8(ascii: ",") else {
                position -= 1
                throw fail(.unexpectedByte)
            }
            skipSpace()
        }
        close(index)
        if names > 1, refusingDuplicates { try refuseDuplicates(in: index, count: names) }
    }

    private mutating func scanArray(depth: Int) throws(JSONError) {
        guard depth <= maximumDepth else { throw fail(.tooDeep) }
        let index = try open(.array)
        position += 1
        skipSpace()
        if position < base.count, base[position] == UInt8(ascii: "]") {
            position += 1
            return close(index)
        }
        while true {
            try scanValue(depth: depth)
            skipSpace()
            guard position < base.count else { throw fail(.unexpectedEnd) }
            let byte = base[position]
            position += 1
            if byte == UInt8(ascii: "]") { break }
            guard byte == UInt8(ascii: ",") else {
                position -= 1
                throw fail(.unexpectedByte)
            }
            skipSpace()
        }
        close(index)
    }

    private mutating func scanString() throws(JSONError) {
        let index = try open(.string)
        position += 1
        while true {
            skipPlainBytes()
            guard position < base.count else { throw fail(.unexpectedEnd) }
            let byte = base[position]
            if byte == UInt8(ascii: "\"") {
                position += 1
                return close(index)
            }
            if byte == UInt8(ascii: "\\") {
                nodes[index].escaped = true
                try scanEscape()
            } else if byte < 0x20 {
                throw fail(.controlCharacter)
            } else {
                if byte >= 0x80 { sawNonASCII = true }
                position += 1
            }
        }
    }

    /// Goes over bytes that are printable ASCII but neither a quote nor a backslash, eight at a time.
    private mutating func skipPlainBytes() {
        guard let start = base.baseAddress else { return }
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        while position + 8 <= base.count {
            let word = UnsafeRawPointer(start + position).loadUnaligned(as: UInt64.self)
            // The classic "has a byte less than n / equal to n" tests; a false alarm only ends the fast path.
            let quote = word ^ (ones &* 0x22)
            let slash = word ^ (ones &* 0x5C)
            let control = (word &- ones &* 0x20) & ~word
            let found = ((quote &- ones) & ~quote) | ((slash &- ones) & ~slash) | control | word
            if found & highs != 0 { return }
            position += 8
        }
    }

    private mutating func scanEscape() throws(JSONError) {
        guard position + 1 < base.count else { throw fail(.unexpectedEnd) }
        switch base[position + 1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 2
        case UInt8(ascii: "u"):
            guard position + 6 <= base.count else { throw fail(.unexpectedEnd) }
            for offset in 2..<6 {
                switch base[position + offset] {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"), UInt8(ascii: "A")...UInt8(ascii: "F"):
                    continue
                default: throw fail(.badEscape)
                }
            }
            position += 6
        default: throw fail(.badEscape)
        }
    }

    private mutating func scanWord(_ word: StaticString, _ kind: JSON.Kind) throws(JSONError) {
        let index = try open(kind)
        for offset in 0..<word.utf8CodeUnitCount {
            guard position + offset < base.count else { throw fail(.unexpectedEnd) }
            guard base[position + offset] == word.utf8Start[offset] else { throw fail(.unexpectedByte) }
        }
        position += word.utf8CodeUnitCount
        close(index)
    }

    private mutating func scanNumber() throws(JSONError) {
        let index = try open(.number)
        if base[position] == UInt8(ascii: "-") { position += 1 }
        let leadingZero = position < base.count && base[position] == UInt8(ascii: "0")
        let digits = scanDigits()
        if digits == 0 || (leadingZero && digits > 1) { throw fail(.badNumber) }
        if position < base.count, base[position] == UInt8(ascii: ".") {
            position += 1
            if scanDigits() == 0 { throw fail(.badNumber) }
        }
        if position < base.count, base[position] | 0x20 == UInt8(ascii: "e") {
            position += 1
            if position < base.count, base[position] == UInt8(ascii: "+") || base[position] == UInt8(ascii: "-") { position += 1 }
            if scanDigits() == 0 { throw fail(.badNumber) }
        }
        close(index)
    }

    private mutating func scanDigits() -> Int {
        let start = position
        while position < base.count, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(base[position]) { position += 1 }
        return position - start
    }

    private func refuseDuplicates(in object: Int, count: Int) throws(JSONError) {
        var keys: [Int] = []
        keys.reserveCapacity(count)
        var key = object + 1
        var escaped = false
        while key < Int(nodes[object].next) {
            keys.append(key)
            escaped = escaped || nodes[key].escaped
            key = Int(nodes[key + 1].next)
        }
        if count <= Self.pairwiseLimit, !escaped {
            for i in 1..<keys.count {
                for j in 0..<i where sameSpelling(keys[i], keys[j]) { throw duplicate(keys[i]) }
            }
        } else {
            var seen = Set<String>(minimumCapacity: count)
            for key in keys where !seen.insert(name(key)).inserted { throw duplicate(key) }
        }
    }

    private func sameSpelling(_ a: Int, _ b: Int) -> Bool {
        let (x, y) = (nodes[a], nodes[b])
        guard x.end - x.start == y.end - y.start else { return false }
        for offset in 0..<Int(x.end - x.start) where base[Int(x.start) + offset] != base[Int(y.start) + offset] { return false }
        return true
    }

    private func duplicate(_ key: Int) -> JSONError {
        JSONError(reason: .duplicateName(name(key)), offset: Int(nodes[key].start))
    }

    private func name(_ key: Int) -> String {
        let content = Array(base[Int(nodes[key].start)..<Int(nodes[key].end)])
        // A string node on its own is a JSON text, so decoding has one home. Its grammar was checked just before.
        return (try? JSON.parse(content))?.string ?? ""
    }
}
