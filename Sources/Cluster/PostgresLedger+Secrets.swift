import Foundation
import PostgreSQL
import Support

/// What all fronts of a store sign with, so that a link that one made opens at every other.
extension PostgresLedger {
    /// The secret of a name, which the first who asks makes.
    /// - Throws: `ServingError.storage`.
    package func secret(_ name: String, make: () -> [UInt8]) throws -> [UInt8] {
        let rows = try run("reading the secret \(name)") { [schema] db in
            let query = "SELECT encode(value, 'hex') AS value FROM \(schema).secret WHERE name = $1"
            let known = try db.execute(query, [.text(name)])
            if !known.isEmpty { return known }
            // Whoever is faster makes it.
            try db.execute(
                "INSERT INTO \(schema).secret (name, value) VALUES ($1, decode($2, 'hex')) ON CONFLICT DO NOTHING",
                [.text(name), .text(Hexadecimal.text(make()))])
            return try db.execute(query, [.text(name)])
        }
        return rows.first?.text("value").flatMap { Hexadecimal.bytes($0) } ?? []
    }
}
