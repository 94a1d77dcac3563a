/// `host`, `host:port`, `[v6]` or `[v6]:port` as written in a URL, taken apart.
package struct HostAndPort: Equatable {
    /// Name or IP address, without brackets.
    package var host: String
    package var port: Int?

    package struct Fault: Error {
        /// Goes on after "… cannot be used: ". Repeats nothing of what was written.
        package var complaint: String
    }

    package init(_ written: Substring) throws(Fault) {
        let portText: Substring?
        if written.first == "[" {
            guard let bracket = written.firstIndex(of: "]") else { throw Fault(complaint: "a bracket is not closed") }
            host = String(written[written.index(after: written.startIndex)..<bracket])
            let tail = written[written.index(after: bracket)...]
            guard tail.isEmpty || tail.first == ":" else { throw Fault(complaint: "its host cannot be read") }
            portText = tail.isEmpty ? nil : tail.dropFirst()
        } else {
            let parts = written.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2 else { throw Fault(complaint: "an IPv6 address needs brackets") }
            host = parts.first.map(String.init) ?? ""
            portText = parts.count == 2 ? parts[1] : nil
        }
        guard !host.isEmpty else { throw Fault(complaint: "it has no host") }
        guard let portText else { return }
        guard let number = Int(portText), (1...65535).contains(number) else {
            throw Fault(complaint: "its port is not a number from 1 to 65535")
        }
        port = number
    }
}
