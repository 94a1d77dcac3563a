package import Realtime

/// What a session is created with.
package struct NewSession: Sendable {
    /// Another session whose history the new one begins with.
    package struct Origin: Sendable, Equatable {
        package var session: String
        /// The last item that is taken over; nil: all are.
        package var upTo: String?

        package init(session: String, upTo: String? = nil) {
            self.session = session
            self.upTo = upTo
        }
    }

    /// From ``SessionDirectory/newID()``; nil: one is made.
    package var id: String?
    /// Nil: the upstream's default model.
    package var model: String?
    /// Nil: the upstream that lists the model, else the default one.
    package var upstream: String?
    /// What its clients are shown unless they ask for the other one.
    package var dialect: Dialect
    /// The payload of a `session.update`, an object.
    package var configuration: JSON?
    /// The dialect of ``configuration``.
    package var spelledIn: Dialect
    /// A JSON object of strings.
    package var metadata: [UInt8]
    package var settings: SessionSettings
    package var from: Origin?
    /// How long its caller waits for the connection; nil: as long as a handshake may take.
    package var connectingLimit: Duration?

    package init(
        model: String? = nil, upstream: String? = nil, dialect: Dialect = .beta, configuration: JSON? = nil, spelledIn: Dialect = .beta,
        metadata: [UInt8] = Array("{}".utf8), settings: SessionSettings = SessionSettings(), from: Origin? = nil
    ) {
        self.model = model
        self.upstream = upstream
        self.dialect = dialect
        self.configuration = configuration
        self.spelledIn = spelledIn
        self.metadata = metadata
        self.settings = settings
        self.from = from
    }
}
