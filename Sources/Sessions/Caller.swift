/// Who is asking, as far as sessions care.
package struct Caller: Sendable, Equatable {
    /// Owns what it creates. Nil: a caller of a keyless bridge that sent no bearer.
    package let owner: String?
    /// Sees every session (the `admin` scope).
    package let seesAll: Bool
    /// Sees sessions that belong to nobody: on a bridge without keys everyone does, with keys only who sees all.
    package let seesOwnerless: Bool
    /// The caller's own upstream credential, where credentials are passed through. Lives in memory only.
    package let bearer: String?

    /// What the name of an owner begins with who was recognised by its ``bearer``.
    package static let bearerOwnerPrefix = "bearer:"

    package init(owner: String?, seesAll: Bool = false, seesOwnerless: Bool = true, bearer: String? = nil) {
        self.owner = owner
        self.seesOwnerless = seesOwnerless
        self.seesAll = seesAll
        self.bearer = bearer
    }

    /// Another caller's session does not exist for this one.
    package func sees(owner: String?) -> Bool {
        seesAll || owner == self.owner || (owner == nil && seesOwnerless)
    }
}
