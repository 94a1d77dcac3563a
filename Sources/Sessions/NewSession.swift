package import Realtime

/// What a session is created with.
package struct NewSession: Sendable {
    /// Nil: the upstream's default model.
    package var model: String?
    /// Nil: the default upstream.
    package var upstream: String?
    /// Nil: what upstream speaks.
    package var dialect: Dialect?
    /// The payload of a `session.update`, an object.
    package var configuration: JSON?
    /// A JSON object of strings.
    package var metadata: [UInt8]

    package init(
        model: String? = nil, upstream: String? = nil, dialect: Dialect? = nil, configuration: JSON? = nil,
        metadata: [UInt8] = Array("{}".utf8)
    ) {
        self.model = model
        self.upstream = upstream
        self.dialect = dialect
        self.configuration = configuration
        self.metadata = metadata
    }
}
