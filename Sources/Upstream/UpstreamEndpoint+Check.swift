extension UpstreamEndpoint {
    /// Whether a connection to it could be tried at all: its URL and its headers, without opening anything.
    /// - Throws: `.invalidEndpoint`, saying what is wrong without repeating any value.
    package func check() throws(UpstreamError) {
        _ = try UpgradeRequest(self)
    }
}
