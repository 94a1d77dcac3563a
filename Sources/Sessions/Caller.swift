/// Who is asking, as far as sessions care.
package struct Caller: Sendable, Equatable {
    /// Owns what it creates. Nil: a caller of a keyless bridge that sent no bearer.
    package let owner: String?
    /// Sees every session (the `admin` scope).
    package let seesAll: Bool
    /// The caller's own upstream credential, where credentials are passed through. Lives in memory only.
    package let bearer: String?

    package init(owner: String?, seesAll: Bool = false, bearer: String? = nil) {
        self.owner = owner
        self.seesAll = seesAll
        self.bearer = bearer
    }

    /// A session without an owner is everybody's; another caller's session does not exist for this one.
    package func sees(owner: String?) -> Bool {
        seesAll || owner == nil || owner == self.owner
    }
}
