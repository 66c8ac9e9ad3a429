/// Why a database did not do what it was asked. Nothing secret is in it: it names host and database only.
package struct PostgresFault: Error, Equatable, CustomStringConvertible {
    /// The database, as `PostgresAddress.description` names it.
    package let place: String
    /// What libpq or the server says.
    package let reason: String
    /// The SQLSTATE, five characters, where a server has answered.
    package let state: String?
    /// There was no connection, or it broke.
    package let isDisconnected: Bool

    package init(_ place: String, _ reason: String, state: String? = nil, isDisconnected: Bool = false) {
        self.place = place
        self.reason = reason
        self.state = state
        self.isDisconnected = isDisconnected
    }

    package var description: String { "\(place): \(reason)" + (state.map { " (SQLSTATE \($0))" } ?? "") }

    /// The database is away, going down, coming up, full of connections, or a standby that takes no writes: the same
    /// statement may do later. What a broken connection was asked may have been done or not.
    package var isOutage: Bool {
        if isDisconnected { return true }
        guard let state else { return false }
        return state.hasPrefix("08") || ["57P01", "57P02", "57P03", "53300", "25006"].contains(state)
    }

    /// The server has undone the transaction because of another; the same once more may do.
    package var isConflict: Bool { state == Self.serializationFailure || state == Self.deadlock }

    /// Another row has the same key.
    package var isDuplicate: Bool { state == "23505" }

    private static let serializationFailure = "40001"
    private static let deadlock = "40P01"
}
